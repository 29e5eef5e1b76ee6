"""What of a report is new beside what is stored, by hand."""

from dataclasses import replace
from typing import Any

import pytest

from banditroute.core.arms import Arm
from banditroute.core.log import ArmRecord
from banditroute.errors import FeedbackConflictError
from banditroute.store.semantics.merge import StoredRevision, merge_arm, merge_feedback
from banditroute.testing import a_decision, feedback_of

FIRST = feedback_of(a_decision(1), 0, arm="small", values=(5,), outcomes={"quality": 0.5}, received_us=10)
STORED = StoredRevision(0, "small", (5,), b"first", 10)


def after(*stored: StoredRevision, digest: bytes = b"other", **changes: Any) -> list[tuple[Any, ...]]:
    """Arm, revision, values and previous of what is new."""
    found = merge_feedback(stored, replace(FIRST, **changes), digest)
    return [(each.arm, each.revision, each.values, each.previous) for each in found]


def test_first_values_are_revision_0_whatever_their_worker_thought() -> None:
    assert after() == [("small", 0, (5,), None)]
    assert after(revision=3, previous=(1,)) == [("small", 0, (5,), None)]
    assert after(values=None, outcomes={}) == []
    assert after(values=None) == [("small", 0, None, None)]


def test_what_is_there_is_not_stored_again() -> None:
    assert after(STORED, digest=b"first") == []
    assert after(STORED, by_default=True, values=(0,)) == []
    amended = StoredRevision(1, "small", (6,), b"second", 20)
    assert after(STORED, amended, digest=b"first", revision=1, previous=(4,)) == []
    # The same words at another time are another wish.
    assert after(STORED, amended, digest=b"first", amends=True, received_us=30) == [("small", 2, (5,), (6,))]


def test_a_default_stands_in_for_what_is_lost() -> None:
    assert after(StoredRevision(0, "", None, b"", 0), by_default=True, values=(0,)) == [("small", 1, (0,), None)]


def test_other_first_values_contradict_unless_they_amend_or_a_default_stands_there() -> None:
    with pytest.raises(FeedbackConflictError):
        after(STORED, values=(6,))
    assert after(STORED, values=(6,), amends=True) == [("small", 1, (6,), (5,))]
    assert after(STORED._replace(by_default=True), values=(6,)) == [("small", 1, (6,), (5,))]


def test_an_amendment_takes_out_what_is_stored() -> None:
    assert after(STORED, values=(6,), revision=1, previous=(5,)) == [("small", 1, (6,), (5,))]
    for revision, previous in ((1, (4,)), (2, (5,)), (0, (5,))):
        assert after(STORED, values=(6,), revision=revision, previous=previous) == [("small", 1, (6,), (5,))]
    assert after(STORED, values=None, revision=7, previous=(5,), arm="large") == [("small", 1, None, (5,))]


def test_what_moves_is_taken_from_the_arm_that_learned_it() -> None:
    moved = [("small", 1, None, (5,)), ("large", 2, (6,), None)]
    assert after(STORED, values=(6,), revision=1, previous=(5,), arm="large") == moved
    retraction, _ = merge_feedback([STORED], replace(FIRST, arm="large", values=(6,), amends=True), b"other")
    assert retraction.outcomes == {}


def test_after_a_retraction_values_are_first_ones() -> None:
    retracted = StoredRevision(1, "small", None, b"second", 20)
    assert after(STORED, retracted, values=(6,), revision=2, arm="large") == [("large", 2, (6,), None)]
    assert after(STORED, retracted, values=(6,), revision=1, previous=(5,)) == [("small", 2, (6,), None)]
    assert after(STORED, retracted, values=None, revision=2, outcomes={}) == []


def test_what_is_retired_stays_so() -> None:
    def arm(status: Any, successor: str | None = None) -> ArmRecord:
        return ArmRecord(Arm("small"), status, successor, 0, 0)

    assert merge_arm(None, arm("active")) == arm("active")
    assert merge_arm(arm("draining"), arm("active")) == arm("active")
    assert merge_arm(arm("retired", "large"), arm("active", "other")) == arm("retired", "large")
    assert merge_arm(arm("retired"), arm("active", "other")) == arm("retired", "other")
