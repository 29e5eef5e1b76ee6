"""The revision rule: by hand, and as a machine of workers that report, deliver, redeliver and follow one log."""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from banditroute.core.log import FeedbackRecord
from banditroute.core.revisions import (
    continues,
    follows,
    is_blank,
    is_known,
    moves,
    rebase,
    retraction,
    same_effect,
    transition,
)
from banditroute.errors import FeedbackConflictError
from banditroute.testing import a_decision, feedback_of

FIRST = feedback_of(a_decision(1), 0, arm="small", values=(5,), outcomes={"quality": 0.5}, received_us=10)
DEFAULT = replace(FIRST, by_default=True)
AMENDED = replace(FIRST, revision=1, values=(6,), previous=(5,), outcomes={"quality": 0.6}, received_us=20)
RETRACTED = retraction(FIRST, number=0, received_us=20)
UNREADABLE = replace(FIRST, arm="", values=None, outcomes={})


def brief(records: Sequence[FeedbackRecord]) -> list[tuple[Any, ...]]:
    """Arm, revision, values and previous."""
    return [(each.arm, each.revision, each.values, each.previous) for each in records]


def other(**changes: Any) -> FeedbackRecord:
    """A report that differs from the first one in its outcome."""
    return replace(FIRST, **{"values": (6,), "outcomes": {"quality": 0.6}, "received_us": 30, **changes})


class TestTransition:
    def test_first_values(self) -> None:
        assert transition(None, FIRST) == (FIRST,)
        assert brief(transition(None, other(values=None))) == [("small", 0, None, None)]

    def test_the_same_report_changes_nothing(self) -> None:
        assert transition(FIRST, replace(FIRST, received_us=99)) == ()
        assert transition(FIRST, replace(FIRST, values=None)) == ()

    def test_other_outcomes_contradict_unless_they_amend(self) -> None:
        with pytest.raises(FeedbackConflictError):
            transition(FIRST, other())
        assert brief(transition(FIRST, other(amends=True))) == [("small", 1, (6,), (5,))]

    def test_other_outcomes_contradict_what_was_kept_without_being_learned(self) -> None:
        with pytest.raises(FeedbackConflictError):
            transition(replace(FIRST, values=None), other())

    def test_a_report_replaces_a_default_even_by_the_same_value(self) -> None:
        assert brief(transition(DEFAULT, other())) == [("small", 1, (6,), (5,))]
        assert brief(transition(DEFAULT, FIRST)) == [("small", 1, (5,), (5,))]

    def test_a_move_to_another_arm_is_a_retraction_and_first_values(self) -> None:
        moved = transition(FIRST, other(arm="large", amends=True, number=7))
        assert brief(moved) == [("small", 1, None, (5,)), ("large", 2, (6,), None)]
        assert [each.number for each in moved] == [7, 8]
        assert moved[0].outcomes == {}

    def test_an_amendment_that_is_not_learned_moves_too(self) -> None:
        moved = transition(FIRST, other(arm="large", amends=True, values=None))
        assert brief(moved) == [("small", 1, None, (5,)), ("large", 2, None, None)]

    def test_after_a_retraction_values_are_first_ones(self) -> None:
        assert brief(transition(RETRACTED, other(arm="large"))) == [("large", 2, (6,), None)]


class TestRebase:
    def test_what_is_stored_is_not_stored_again(self) -> None:
        assert rebase([FIRST], FIRST) == ()
        assert rebase([FIRST], replace(FIRST, received_us=99)) == ()

    def test_a_delivery_of_what_was_amended_since_is_known_by_its_time(self) -> None:
        assert rebase([FIRST, AMENDED], FIRST) == ()
        assert rebase([FIRST, AMENDED], replace(FIRST, revision=1, previous=(4,))) == ()
        again = replace(FIRST, amends=True, received_us=30)
        assert brief(rebase([FIRST, AMENDED], again)) == [("small", 2, (5,), (6,))]

    def test_first_values_are_revision_0_whatever_their_worker_knew(self) -> None:
        assert brief(rebase([], replace(FIRST, revision=3, previous=(1,)))) == [("small", 0, (5,), None)]
        assert rebase([], replace(RETRACTED, revision=3)) == ()

    def test_a_default_stands_in_for_what_is_missing_or_unreadable(self) -> None:
        assert rebase([], DEFAULT) == (DEFAULT,)
        assert rebase([FIRST], replace(DEFAULT, values=(0,))) == ()
        assert brief(rebase([UNREADABLE], replace(DEFAULT, values=(0,)))) == [("small", 1, (0,), None)]

    def test_an_amendment_subtracts_what_is_stored(self) -> None:
        for revision, previous in ((1, (5,)), (1, (4,)), (2, (5,))):
            record = other(revision=revision, previous=previous)
            assert brief(rebase([FIRST], record)) == [("small", 1, (6,), (5,))]

    def test_a_retraction_leaves_the_arm_that_learned(self) -> None:
        record = replace(RETRACTED, revision=7, arm="large", previous=(9,))
        assert brief(rebase([FIRST], record)) == [("small", 1, None, (5,))]
        assert rebase([FIRST, RETRACTED], replace(RETRACTED, revision=2, received_us=30)) == ()

    def test_the_same_report_that_another_worker_did_not_learn_is_stored_once(self) -> None:
        assert rebase([replace(FIRST, values=None)], FIRST) == ()


def test_what_follows_subtracts_what_was_added_and_no_more() -> None:
    assert follows(None, FIRST)
    assert follows(FIRST, AMENDED)
    assert not follows(None, AMENDED)
    assert not follows(FIRST, replace(AMENDED, previous=(4,)))
    assert not follows(FIRST, replace(AMENDED, arm="large"))
    assert follows(RETRACTED, replace(FIRST, arm="large"))


def test_an_amendment_without_effect_is_new() -> None:
    assert not is_known(FIRST, replace(AMENDED, values=(5,)), read=0)
    assert is_known(FIRST, FIRST, read=-1)
    assert not is_known(FIRST, replace(FIRST, values=(6,)), read=-1)


def test_a_lower_revision_is_known_if_it_was_read_from_the_log() -> None:
    assert is_known(AMENDED, FIRST, read=0)
    assert is_known(AMENDED, FIRST, read=1)
    assert not is_known(AMENDED, FIRST, read=-1)


def test_a_lower_revision_is_read_by_a_worker_whose_own_reports_were_refused() -> None:
    """Found by the machine below: its revisions were ahead of the log, and it skipped the amendment of another."""
    refused_then_amended_by_another().teardown()


def test_control_a_worker_that_goes_by_its_own_revisions_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "is_known", known_below_its_own)
    with pytest.raises(AssertionError):
        refused_then_amended_by_another().teardown()


def refused_then_amended_by_another() -> "RevisionMachine":
    machine = RevisionMachine()
    machine.begin()
    machine.report(worker=0, arm="large", value=3, learned=False, amends=False)
    machine.deliver(worker=0)
    machine.report(worker=1, arm="small", value=1, learned=True, amends=False)
    machine.report(worker=1, arm="large", value=3, learned=False, amends=True)
    machine.report(worker=2, arm="small", value=1, learned=True, amends=True)
    return machine


WORKERS = 3
ARMS = ("small", "large")
VALUES = (None, 1, 2, 3)


class Worker:
    """What one worker knows of one decision and group, and what its records have moved."""

    def __init__(self) -> None:
        self.known: FeedbackRecord | None = None
        self.read = -1
        self.sums: Counter[str] = Counter()
        self.queue: deque[FeedbackRecord] = deque()
        self.delivered: list[FeedbackRecord] = []
        self.followed = 0

    def take(self, records: Sequence[FeedbackRecord]) -> None:
        """Learn what this worker was told, and send it to the log."""
        for record in records:
            add(self.sums, record)
            self.known = record
            self.queue.append(record)


def add(sums: Counter[str], record: FeedbackRecord) -> None:
    """Move sums by a record, as a fold does."""
    sums[record.arm] += sum(record.values or ()) - sum(record.previous or ())


class RevisionMachine(RuleBasedStateMachine):
    """Workers, each with its own knowledge and queue, around one stored chain of revisions."""

    @initialize()
    def begin(self) -> None:
        self.workers = [Worker() for _ in range(WORKERS)]
        self.chain: list[FeedbackRecord] = []
        self.writers: list[int | None] = []
        self.time = 100

    @rule(
        worker=st.integers(0, WORKERS - 1),
        arm=st.sampled_from(ARMS),
        value=st.integers(1, 3),
        learned=st.booleans(),
        amends=st.booleans(),
    )
    def report(self, worker: int, arm: str, value: int, learned: bool, amends: bool) -> None:
        """Somebody reports to a worker; it may be kept without being learned."""
        self.time += 1
        record = replace(
            FIRST,
            arm=arm,
            values=(value,) if learned else None,
            outcomes={"quality": value / 4},
            received_us=self.time,
            amends=amends,
        )
        who = self.workers[worker]
        try:
            who.take(transition(who.known, record))
        except FeedbackConflictError:
            assert not amends

    @rule(worker=st.integers(0, WORKERS - 1))
    def forget(self, worker: int) -> None:
        """A worker takes back what it knows."""
        self.time += 1
        who = self.workers[worker]
        if who.known is not None and who.known.values is not None:
            who.take([retraction(who.known, number=0, received_us=self.time)])

    @rule(worker=st.integers(0, WORKERS - 1))
    def close_window(self, worker: int) -> None:
        """The window closes for a worker: it learns what it kept, or a default."""
        self.time += 1
        who = self.workers[worker]
        if who.known is None:
            who.take([replace(DEFAULT, values=(0,), outcomes={"quality": 0.0}, received_us=self.time)])
        elif who.known.values is None and who.known.outcomes:
            value = (round(who.known.outcomes["quality"] * 4),)
            revision = who.known.revision + 1
            who.take([replace(who.known, revision=revision, values=value, previous=None, received_us=self.time)])

    @rule(worker=st.integers(0, WORKERS - 1))
    def deliver(self, worker: int) -> None:
        """The oldest record that a worker queued reaches the store."""
        who = self.workers[worker]
        if who.queue:
            record = who.queue.popleft()
            if self.store(worker, record):
                who.delivered.append(record)

    @rule(worker=st.integers(0, WORKERS - 1))
    def redeliver(self, worker: int) -> None:
        """The last record that was stored is delivered again: its acknowledgement was lost."""
        who = self.workers[worker]
        if who.delivered:
            before = len(self.chain)
            self.store(worker, who.delivered[-1])
            assert len(self.chain) == before

    def store(self, worker: int, record: FeedbackRecord) -> bool:
        try:
            new = rebase(self.chain, record)
        except FeedbackConflictError:
            return False
        # What was rebased is no longer the worker's own record: it reads it as the others do.
        writer = worker if tuple(new) == (record,) else None
        self.chain += new
        self.writers += [writer] * len(new)
        return bool(new)

    @rule(worker=st.integers(0, WORKERS - 1))
    def follow(self, worker: int) -> None:
        """A worker reads what others wrote; where it went another way, it asks the store for the outcome."""
        who = self.workers[worker]
        for record, writer in zip(self.chain[who.followed :], self.writers[who.followed :], strict=True):
            who.followed += 1
            if writer == worker:
                continue
            if who.known is not None and is_known(who.known, record, read=who.read):
                if record.revision == who.known.revision:
                    who.known, who.read = record, max(who.read, record.revision)
                continue
            if follows(None, record) if who.known is None else continues(who.known, record):
                add(who.sums, record)
                who.known, who.read = record, record.revision
                continue
            while who.queue:
                self.deliver(worker)
            for move in moves(who.known, self.chain[-1]):
                add(who.sums, move)
            who.known, who.read = self.chain[-1], self.chain[-1].revision

    @invariant()
    def the_chain_is_one(self) -> None:
        """Numbers have no gap, and each revision subtracts what the one before it added."""
        last: FeedbackRecord | None = None
        for number, record in enumerate(self.chain):
            assert record.revision == number
            assert follows(last, record)
            last = record

    def teardown(self) -> None:
        """When all is delivered and read, every worker has the sums of the log."""
        for worker in range(WORKERS):
            while self.workers[worker].queue:
                self.deliver(worker)
        for worker in range(WORKERS):
            while self.workers[worker].followed < len(self.chain):
                self.follow(worker)
        self.the_chain_is_one()
        sums: Counter[str] = Counter()
        for record in self.chain:
            add(sums, record)
        for who in self.workers:
            assert +who.sums == +sums
            assert min(who.sums.values(), default=0) >= 0
            if self.chain:
                assert who.known is not None
                assert same_effect(who.known, self.chain[-1]) or is_blank(self.chain[-1])


TestRevisionMachine = pytest.mark.slow(RevisionMachine.TestCase)
TestRevisionMachine.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)


_retraction = retraction


def known_by_number(last: FeedbackRecord, event: FeedbackRecord, *, read: int) -> bool:
    """An earlier fault: an amendment without effect counted as known."""
    return event.revision <= last.revision


def known_below_its_own(last: FeedbackRecord, event: FeedbackRecord, *, read: int) -> bool:
    """An earlier fault: whatever is below the worker's own revision counted as known."""
    return event.revision < last.revision or (event.revision == last.revision and same_effect(last, event))


def first_again(stored: Sequence[FeedbackRecord], record: FeedbackRecord) -> Sequence[FeedbackRecord]:
    """A delivery that is repeated counts twice."""
    return transition(stored[-1] if stored else None, replace(record, amends=True))


def still_a_default(last: FeedbackRecord, *, number: int, received_us: int) -> FeedbackRecord:
    """A retraction of a default passes for a default, and the store drops it."""
    return replace(_retraction(last, number=number, received_us=received_us), by_default=last.by_default)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("is_known", known_by_number),
        ("continues", lambda last, event: True),
        ("rebase", first_again),
        ("retraction", still_a_default),
    ],
)
def test_control_a_wrong_rule_is_caught(name: str, wrong: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), name, wrong)
    hasty = settings(max_examples=2_000, stateful_step_count=40, deadline=None, phases=[Phase.generate])
    with pytest.raises(AssertionError):
        run_state_machine_as_test(RevisionMachine, settings=hasty)
