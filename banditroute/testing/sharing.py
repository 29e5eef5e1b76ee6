"""The laws of stores on duplicates, conflicts and several workers."""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from banditroute.core.arms import Arm
from banditroute.core.log import (
    ArmRecord,
    DecisionRecord,
    FeedbackRecord,
    Position,
    PreferencesRecord,
)
from banditroute.core.spec import StoredRouter
from banditroute.errors import FeedbackConflictError, InvalidOutcomeError
from banditroute.store.base import Store
from banditroute.testing.records import (
    ARMS,
    a_decision,
    a_report,
    append,
    feedback_of,
    journal,
    open_router,
    plain,
)


class OpenStore:
    """How a store comes into a test."""

    def open_new(self, tmp_path: Path) -> Store:
        """A store over an empty place, on which ``open`` was not yet called."""
        raise NotImplementedError

    def reopen(self, store: Store, tmp_path: Path) -> Store:
        """A store over what ``store``, now closed, left behind; again before its ``open``."""
        raise NotImplementedError

    def again(self, store: Store, tmp_path: Path) -> tuple[Store, StoredRouter]:
        """Close, reopen, and open for the same router."""
        store.close()
        store = self.reopen(store, tmp_path)
        return store, open_router(store)

    @pytest.fixture
    def store(self, tmp_path: Path) -> Any:
        """An open store."""
        store = self.open_new(tmp_path)
        open_router(store)
        yield store
        store.close()

    def another(self, tmp_path: Path) -> Store | None:  # noqa: ARG002  (others need it)
        """A second worker on the place of ``open_new``, before its ``open``; None if a store has but one."""
        return None


class SharingLaws(OpenStore):
    """What is delivered twice, what contradicts, what waits, and what other workers see of it."""

    def test_the_log_numbers_its_records_itself(self, store: Store) -> None:
        """Whatever numbers a worker gives: without gaps, in the order of its appends."""
        one, two = a_decision(1), a_decision(2)
        first_feedback = feedback_of(one, 9)
        append(store, replace(one, number=7, n_feedback=3), first_feedback, replace(two, number=3))
        assert journal(store) == plain([one, replace(first_feedback, number=1), replace(two, n_feedback=1)])

    def test_what_is_delivered_twice_counts_once(self, store: Store) -> None:
        """In one append or in two, alone or with others."""
        one, two = a_decision(1), a_decision(2, n_feedback=1)
        first_feedback = feedback_of(one, 1)
        assert append(store, one, first_feedback) == "recorded"
        assert append(store, one, first_feedback) == "duplicate"
        assert append(store, first_feedback, two, two, replace(first_feedback, received_us=9)) == "duplicate"
        assert append(store, replace(one, cause="another")) == "recorded"
        assert journal(store) == plain([one, first_feedback, two])

    def test_other_first_values_conflict(self, store: Store) -> None:
        """They are left out, and what came with them is kept."""
        one, two = a_decision(1), a_decision(2, n_feedback=1)
        first_feedback = feedback_of(one, 1)
        append(store, one, first_feedback)
        other = store.append([feedback_of(one, 2, values=(7,)), two]).exception(timeout=30)
        assert isinstance(other, FeedbackConflictError)
        store.flush()
        assert journal(store) == plain([one, first_feedback, two])

    def test_an_amendment_follows_what_is_stored(self, store: Store) -> None:
        """It takes the next revision and takes out the values before, whatever its worker thought they were."""
        one = a_decision(1)
        first_feedback = feedback_of(one, 1)
        right = feedback_of(one, 2, revision=1, values=(5,), previous=first_feedback.values)
        stale = feedback_of(one, 3, revision=1, values=(6,), previous=first_feedback.values)
        lost = feedback_of(one, 4, revision=8, values=(7,), previous=None)
        append(store, one, first_feedback, right)
        assert append(store, stale) == append(store, lost) == "recorded"
        assert append(store, stale, right) == "duplicate"
        kept = [
            replace(stale, revision=2, previous=(5,)),
            replace(lost, revision=3, previous=(6,)),
        ]
        assert journal(store) == plain([one, first_feedback, right, *kept])

    def test_values_move_from_the_arm_that_learned_them(self, store: Store) -> None:
        """A retraction there, first values here; and back again, by a worker that missed it."""
        one = a_decision(1, arm="small")
        first_feedback = feedback_of(one, 1)
        append(store, one, first_feedback)
        moved = feedback_of(one, 2, revision=1, arm="large", values=(5,), previous=first_feedback.values)
        late = feedback_of(one, 4, revision=1, values=(6,), previous=first_feedback.values)
        gone = feedback_of(one, 6, revision=1, values=None, previous=first_feedback.values, outcomes={})
        append(store, moved, late)
        append(store, gone, gone)
        retracted: dict[str, Any] = {"values": None, "outcomes": {}}
        assert journal(store) == plain(
            [
                one,
                first_feedback,
                replace(moved, number=2, arm="small", **retracted),
                replace(moved, number=3, revision=2, previous=None),
                replace(late, number=4, revision=3, arm="large", previous=(5,), **retracted),
                replace(late, number=5, revision=4, previous=None),
                replace(gone, number=6, revision=5, previous=(6,)),
            ]
        )

    def test_feedback_waits_for_its_decision(self, store: Store) -> None:
        """In front of it, in one append or in two; it has no number before, and then comes after it."""
        one, two = a_decision(1), a_decision(2)
        early = [feedback_of(two, 1), feedback_of(two, 2, revision=1, values=(5,), previous=(1,))]
        assert append(store, *early) == "pending"
        append(store, one)
        assert journal(store) == plain([one])
        assert store.health().pending == 0
        append(store, feedback_of(one, 3), two)
        assert journal(store) == plain(
            [one, replace(feedback_of(one, 3), number=1), replace(two, n_feedback=1), *_from(2, early)]
        )

    # ------------------------------------------------------------------------------------------------- reports

    def test_a_report_is_learned_where_its_decision_is(self, store: Store) -> None:
        """Every worker reads what came of it, the reporter too; the same again is nothing new."""
        one = a_decision(1)
        append(store, one)
        assert append(store, a_report(one, 0.5, source="judge")) == "recorded"
        assert append(store, a_report(one, 0.5)) == "duplicate"
        assert append(store, a_report(one, 0.25, amend=True, served_arm=one.arm)) == "recorded"
        learned = list(store.events(others=True))
        assert [(r.number, r.revision, r.values, r.previous, r.source) for r in _feedback(learned)] == [
            (1, 0, (512,), None, "judge"),
            (2, 1, (256,), (512,), None),
        ]
        assert journal(store) == plain([one, *learned])

    def test_a_report_that_is_refused_changes_nothing(self, store: Store) -> None:
        """Values that are wrong, values that contradict."""
        one = a_decision(1)
        append(store, one, a_report(one, 0.5))
        before = journal(store)
        assert isinstance(store.append([a_report(one, -1.0)]).exception(timeout=30), InvalidOutcomeError)
        assert isinstance(store.append([a_report(one, 0.7)]).exception(timeout=30), FeedbackConflictError)
        store.flush()
        assert journal(store) == before

    def test_a_report_waits_for_its_decision(self, store: Store) -> None:
        """As long as it takes, also past a reopening; one that turns out to be refused stops nothing."""
        one, two = a_decision(1), a_decision(2)
        assert append(store, a_report(one, -1.0), a_report(two, 0.5)) == "pending"
        assert append(store, a_report(two, 0.5, received_us=9)) == "pending"
        assert store.health().reports == 2
        append(store, one, two)
        assert [record.values for record in _feedback(store.events())] == [(512,)]
        assert store.health().reports == 0

    def test_few_reports_wait_for_one_decision(self, store: Store) -> None:
        """A client that reports without end on one id fills no disk; the same report again counts once."""
        one = a_decision(1)
        errors = [store.append([a_report(one, number / 64)]).exception(timeout=30) for number in range(40)]
        assert errors[:32] == [None] * 32
        assert [str(error) for error in errors[32:]] == [
            "32 different reports wait for this decision already; feedback not recorded"
        ] * 8
        assert append(store, a_report(one, 0.0)) == "pending"
        append(store, one)
        assert store.health().reports == 0

    @pytest.mark.parametrize(("days", "left"), [(29, 2), (31, 0)])
    def test_nothing_waits_for_ever(self, store: Store, tmp_path: Path, days: int, left: int) -> None:
        """Reports on decisions that never arrive are deleted, and counted; by the clock of those that arrive."""
        lost, early = a_decision(1), a_decision(3)
        later = a_decision(2, created_us=lost.created_us + days * 86_400_000_000)
        append(store, a_report(lost, 0.5), feedback_of(early, 1))
        append(store, later)
        store, _ = self.again(store, tmp_path)
        health = store.health()
        assert (health.reports + health.orphans, health.expired) == (left, 2 - left)
        append(store, lost, early)
        assert len(_feedback(store.events())) == left
        store.close()

    def test_a_clock_that_is_ahead_ends_no_waiting(self, store: Store, tmp_path: Path) -> None:
        """A decision of a year ahead deletes no report that waits for its decision."""
        first, lost = a_decision(1), a_decision(3)
        ahead = a_decision(2, created_us=first.created_us + 366 * 86_400_000_000)
        append(store, first, a_report(lost, 0.5))
        append(store, ahead)
        store, _ = self.again(store, tmp_path)
        health = store.health()
        assert (health.reports, health.expired) == (1, 0)
        append(store, lost)
        assert len(_feedback(store.events())) == 1
        store.close()

    # ------------------------------------------------------------------------------------------ the journal

    def test_the_journal_is_read_in_parts(self, store: Store) -> None:
        """Whatever end its reader was given."""
        logged: list[Any] = []
        places = [store.end()]
        for number in range(1, 9):
            decision = a_decision(number, number - 1)
            logged += [decision, feedback_of(decision, number)]
            append(store, *logged[-2:])
            places.append(store.end())
        assert places == [Position(number, number) for number in range(9)]
        parts = [list(store.events(start, end)) for start, end in pairwise(places)]
        assert [len(part) for part in parts] == [2] * 8
        assert plain([record for part in parts for record in part]) == plain(logged)

    @pytest.fixture
    def workers(self, store: Store, tmp_path: Path) -> Any:
        """Two of them, open on one log."""
        second = self.another(tmp_path)
        if second is None:
            pytest.skip("this store has but one worker")
        assert not open_router(second).created
        yield store, second
        second.close()

    def test_workers_share_one_journal(self, workers: tuple[Store, Store]) -> None:
        """Equal for both workers; each reads only the records of the other."""
        first, second = workers
        one, two = a_decision(1), a_decision(2)
        append(first, one)
        append(second, replace(two, number=1), feedback_of(two, 1))
        last = feedback_of(one, 1)
        append(first, last)
        everything = plain([one, two, feedback_of(two, 1), replace(last, number=2)])
        for store in workers:
            assert journal(store) == everything
            assert journal(store, Position(1, 1)) == (everything[1], everything[3])
        assert journal(first, others=True) == everything[1:3]
        assert journal(second, others=True) == (everything[0], everything[3])
        assert journal(second, Position(1, 1), others=True) == (everything[3],)

    def test_feedback_keeps_the_order_of_its_worker(self, workers: tuple[Store, Store]) -> None:
        """Whichever worker made the decisions: the worker that reported has learned in that order."""
        first, second = workers
        ours, theirs = a_decision(1), a_decision(2)
        append(second, ours)
        append(first, theirs)
        append(second, feedback_of(theirs, 1), feedback_of(ours, 2))
        found = [record.decision_key for record in _feedback(first.events(others=True))]
        assert found == [theirs.decision_key, ours.decision_key]

    def test_workers_agree_on_feedback(self, workers: tuple[Store, Store]) -> None:
        """Duplicates, conflicts and amendments, whichever worker reported first."""
        first, second = workers
        one = a_decision(1)
        first_feedback = feedback_of(one, 1)
        append(first, one, first_feedback)
        assert append(second, first_feedback) == "duplicate"
        better, worse = {"quality": 0.9}, {"quality": 0.8}
        conflict = second.append([feedback_of(one, 1, values=(9,), outcomes=better)]).exception(timeout=30)
        assert isinstance(conflict, FeedbackConflictError)
        change: dict[str, Any] = {"revision": 1, "previous": first_feedback.values}
        append(second, feedback_of(one, 2, values=(9,), outcomes=better, **change))
        append(first, feedback_of(one, 2, values=(8,), outcomes=worse, **change))
        assert [(r.revision, r.values, r.previous) for r in _feedback(second.events())] == [
            (0, (1,), None),
            (1, (9,), (1,)),
            (2, (8,), (9,)),
        ]
        # The last was rebased: it is not what its worker counted, so that worker has to read it as well.
        assert [record.values for record in _feedback(first.events(others=True))] == [(9,), (8,)]

    def test_a_report_waits_for_another_worker(self, workers: tuple[Store, Store]) -> None:
        """Feedback whose decision has not arrived yet."""
        first, second = workers
        one = a_decision(1)
        assert append(second, a_report(one, 0.5)) == "pending"
        append(first, one)
        second.flush()
        for store in workers:
            assert [record.values for record in _feedback(store.events(others=True))] == [(512,)]

    def test_workers_change_what_stands(self, workers: tuple[Store, Store]) -> None:
        """Each sees the other's arms, in one order, and preferences get one version each."""
        first, second = workers
        before = first.changed(-1)
        assert before is not None
        x, y = (ArmRecord(Arm(name), "active", None, 0, 5_000) for name in "xy")
        append(first, x, PreferencesRecord(2, {"quality": 2.0}, 1))
        append(second, y, x, PreferencesRecord(2, {"quality": 3.0}, 1))
        after = [store.changed(before.revision) for store in workers]
        assert after[0] == after[1]
        assert after[0] is not None
        assert after[0].arms == (*ARMS, x, y)
        assert after[0].preferences == PreferencesRecord(3, {"quality": 3.0}, 1)
        decision = a_decision(1, arms=("small", "y"), arm="y", mean=np.ones((2, 3)))
        append(first, decision)
        assert journal(second) == plain([decision])

    def test_workers_at_once(self, workers: tuple[Store, Store]) -> None:
        """Every number once, every feedback after its decision, each worker in its own order."""

        def work(store: Store, first: int) -> None:
            for number in range(first, first + 150):
                decision = a_decision(number)
                store.append([decision, feedback_of(decision, number)])
                if number % 3 == 0:
                    store.append(
                        [a_report(a_decision(number - 1), 0.5), a_report(a_decision(2_001 - number), 0.5)]
                    )
            store.flush()

        threads = [threading.Thread(target=work, args=(s, 1_000 * i + 1)) for i, s in enumerate(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        events = list(workers[0].events())
        assert journal(workers[1]) == plain(events)
        decisions = [record for record in events if isinstance(record, DecisionRecord)]
        feedback = _feedback(events)
        assert [record.number for record in decisions] == list(range(1, 301))
        assert [record.number for record in feedback] == list(range(1, len(feedback) + 1))
        place = {record.decision_key: position for position, record in enumerate(events) if record in decisions}
        assert all(
            place[r.decision_key] < position
            for position, r in enumerate(events)
            if not isinstance(r, DecisionRecord)
        )
        for first in (1, 1_001):
            mine = [int.from_bytes(r.decision_key, "big") for r in decisions]
            assert [n for n in mine if first <= n < first + 150] == list(range(first, first + 150))


def _feedback(events: Iterable[DecisionRecord | FeedbackRecord]) -> list[FeedbackRecord]:
    return [record for record in events if isinstance(record, FeedbackRecord)]


def _from(first: int, records: Sequence[FeedbackRecord]) -> list[FeedbackRecord]:
    return [replace(record, number=number) for number, record in enumerate(records, first)]
