"""The laws of stores."""

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from banditroute.core.arms import Arm, Price
from banditroute.core.log import (
    ArmRecord,
    DecisionRecord,
    FeedbackRecord,
    Position,
    PreferencesRecord,
    SecretRecord,
    SnapshotRecord,
    SpaceRecord,
)
from banditroute.core.objectives import Objective
from banditroute.core.spec import StoredRouter
from banditroute.errors import RouterMismatchError, StoreError
from banditroute.store.base import Store
from banditroute.testing.records import (
    ARMS,
    PREFERENCES,
    SECRET,
    SPEC,
    WIDE,
    a_decision,
    a_report,
    append,
    feedback_of,
    journal,
    open_router,
    plain,
)
from banditroute.testing.settings import SettingsLaws
from banditroute.testing.sharing import SharingLaws

_TWO = a_decision(2)


class StoreLaws(SharingLaws, SettingsLaws):
    """What every :class:`~banditroute.store.Store` keeps."""

    def test_a_new_router_is_what_was_given(self, tmp_path: Path) -> None:
        """With an empty log."""
        store = self.open_new(tmp_path)
        stored = open_router(store)
        assert stored == StoredRouter(SPEC, SECRET, ARMS, PREFERENCES, None, Position(), created=True)
        assert list(store.events()) == []
        store.close()

    def test_what_is_appended_comes_back_equal_and_as_it_was_logged(self, store: Store, tmp_path: Path) -> None:
        """Feedback in its order, each decision after the feedback that it knew of; also after reopening."""
        first, second, third = a_decision(1), a_decision(2), a_decision(3, n_feedback=2)
        logged: list[DecisionRecord | FeedbackRecord] = [
            first,
            second,
            feedback_of(second, 1, source="judge"),
            feedback_of(first, 2, "response", arm="small"),
            third,
            feedback_of(second, 3, revision=1, values=None, previous=(1,)),
        ]
        append(store, first, second)
        append(store, logged[2], logged[3], third)
        append(store, logged[5])
        assert plain(list(store.events())) == plain(logged)
        store, _ = self.again(store, tmp_path)
        assert plain(list(store.events())) == plain(logged)
        for decided in range(4):
            for learned in range(4):
                expected = [r for r in logged if _is_behind(r, Position(learned, decided))]
                assert plain(list(store.events(Position(learned, decided)))) == plain(expected)
        store.close()

    def test_events_are_those_appended_before_the_call(self, store: Store) -> None:
        """And settled by then; what comes later is for the next call."""
        futures = [store.append([a_decision(number)]) for number in range(1, 6)]
        store.flush()
        events = store.events()
        append(store, a_decision(6))
        assert [record.number for record in events if isinstance(record, DecisionRecord)] == [1, 2, 3, 4, 5]
        assert all(future.done() for future in futures)

    def test_threads_keep_their_order(self, store: Store) -> None:
        """All is there once, and a future is done only when those before it are."""
        lock, futures, number = threading.Lock(), [], iter(range(1, 401))

        def work() -> None:
            for _ in range(100):
                with lock:
                    decision = a_decision(next(number))
                    futures.append(store.append([decision, feedback_of(decision, decision.number)]))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        futures[-1].result(timeout=30)
        store.flush()
        assert all(future.done() and future.exception() is None for future in futures)
        numbers = [record.number for record in store.events() if isinstance(record, FeedbackRecord)]
        assert numbers == list(range(1, 401))

    def test_reopening_goes_on_where_it_stopped(self, store: Store, tmp_path: Path) -> None:
        """The latest of everything, arms in the order in which they first came."""
        decision = a_decision(1)
        cheaper = replace(ARMS[0], arm=Arm("small", price=Price(input=0.1, output=0.4)), price_effective_us=2_000)
        added = ArmRecord(Arm("new", prior={"quality": -0.0}), "active", None, 0, 3_000)
        retired = ArmRecord(ARMS[1].arm, "retired", "new", 0, 4_000, 20)
        preferences = PreferencesRecord(2, {"latency_s": 1e-300}, 5_000)
        snapshot = SnapshotRecord(Position(1, 1), b"\x00sums\xff", 6_000)
        append(store, decision, feedback_of(decision, 1), cheaper, added)
        append(store, retired, preferences, SnapshotRecord(Position(0, 1), b"", 6_000), snapshot, a_decision(2, 1))
        store, stored = self.again(store, tmp_path)
        assert (stored.spec, stored.secret, stored.created) == (SPEC, SECRET, False)
        assert stored.arms == (cheaper, retired, added)
        assert stored.preferences == preferences
        assert plain(stored.snapshot) == plain(snapshot)
        assert stored.end == Position(1, 2)
        store.close()

    def test_a_secret_record_is_accepted_beside_the_issuing_secret(self, store: Store, tmp_path: Path) -> None:
        """The same secret twice is accepted once; every worker sees the change."""
        revision = getattr(store.changed(-2), "revision", -2)
        append(store, SecretRecord(b"a" * 32, 1), SecretRecord(b"b" * 32, 2), SecretRecord(b"a" * 32, 3))
        append(store, SecretRecord(SECRET, 4))
        changed = store.changed(revision)
        assert changed is not None
        assert (changed.secret, set(changed.accepted)) == (SECRET, {b"a" * 32, b"b" * 32})
        store, stored = self.again(store, tmp_path)
        assert (stored.secret, set(stored.accepted)) == (SECRET, {b"a" * 32, b"b" * 32})
        store.close()

    def test_what_is_stored_wins(self, store: Store, tmp_path: Path) -> None:
        """Arms, preferences and secret of a second opening are ignored; its policy counts."""
        store.close()
        store = self.reopen(store, tmp_path)
        stored = open_router(
            store,
            replace(SPEC, policy={"name": "Thompson"}),
            arms=[ArmRecord(Arm("other"), "active", None, 0, 9)],
            preferences=PreferencesRecord(9, {"quality": 3.0}, 9),
            secret=b"another secret of thirty-two byt",
        )
        assert (stored.arms, stored.preferences, stored.secret) == (ARMS, PREFERENCES, SECRET)
        assert stored.spec == replace(SPEC, policy={"name": "Thompson"})
        store.close()

    @pytest.mark.parametrize(
        "change",
        [
            {"objectives": SPEC.objectives[:2]},
            {"objectives": (Objective("quality", bounds=(0, 2)), *SPEC.objectives[1:])},
            {"dimension": 4},
            {"intercept": False},
            {"x_max": 8.0},
        ],
        ids=["fewer objectives", "bounds", "dimension", "intercept", "x_max"],
    )
    def test_another_shape_is_refused_and_changes_nothing(
        self, store: Store, tmp_path: Path, change: dict[str, Any]
    ) -> None:
        """The router opens as before."""
        append(store, a_decision(1))
        store.close()
        store = self.reopen(store, tmp_path)
        with pytest.raises(RouterMismatchError, match=r"router 'support' is stored with"):
            open_router(store, replace(SPEC, policy={}, **change))
        store.close()
        store = self.reopen(store, tmp_path)
        stored = open_router(store)
        assert (stored.spec, stored.end) == (SPEC, Position(0, 1))
        store.close()

    def test_the_first_vector_fixes_the_dimension(self, tmp_path: Path) -> None:
        """And a router that names none fits whatever is stored."""
        unknown = replace(SPEC, dimension=None)
        store = self.open_new(tmp_path)
        assert open_router(store, unknown).spec.dimension is None
        append(store, SpaceRecord(3, 1), a_decision(1))
        store.close()
        store = self.reopen(store, tmp_path)
        assert open_router(store, unknown).spec == SPEC
        store, stored = self.again(store, tmp_path)
        assert stored.spec == SPEC
        store.close()

    def test_snapshots_only_save_time(self, store: Store, tmp_path: Path) -> None:
        """A log without them opens the same, but for ``snapshot``."""
        plain_log = self.open_new(tmp_path / "without")
        open_router(plain_log)
        for number in range(1, 20):
            decision = a_decision(number, number - 1)
            for log in (store, plain_log):
                append(log, decision, feedback_of(decision, number))
            append(store, SnapshotRecord(Position(number, number), b"%d" % number, number))
        store, stored = self.again(store, tmp_path)
        plain_log, without = self.again(plain_log, tmp_path / "without")
        assert stored.snapshot is not None
        assert stored.snapshot.blob == b"19"
        assert replace(stored, snapshot=None) == without
        assert plain(list(store.events())) == plain(list(plain_log.events()))
        store.close()
        plain_log.close()

    def test_a_decision_is_joined_with_its_feedback(self, store: Store) -> None:
        """In order; None for a body that was never decided."""
        one, two = a_decision(1), a_decision(2)
        mine = [feedback_of(one, 1, "response"), feedback_of(one, 3)]
        append(store, one, two, mine[0], feedback_of(two, 2), mine[1])
        found = store.decision(one.decision_key)
        assert plain(found) == plain((one, tuple(mine)))
        assert store.decision(b"?" * 16) is None

    def test_what_is_awaited_is_told_oldest_first(self, store: Store) -> None:
        """Since a time, by the clocks of those who decided; what is kept without being learned is no answer."""
        times_us = {1: 1_000_030, 2: 1_000_010, 3: 1_000_020, 4: 1_000_009, 5: 1_000_010}
        one, two, three, four, five = (a_decision(number, created_us=time) for number, time in times_us.items())
        append(store, one, two, three, four, five)
        append(store, feedback_of(one, 1, "response"), feedback_of(two, 2, values=None), feedback_of(three, 3))
        append(store, feedback_of(five, 4, source="judge"))
        assert list(store.decisions_missing_outcome("quality", since_us=1_000_010)) == [
            (1_000_010, two.decision_key),
            (1_000_030, one.decision_key),
        ]
        assert list(store.decisions_missing_outcome("quality", since_us=1_000_011)) == [
            (1_000_030, one.decision_key)
        ]
        assert len(store.decisions_missing_outcome("response", since_us=0)) == 4
        assert (list(store.decisions_with_source("judge")), list(store.decisions_with_source("stranger"))) == (
            [five.decision_key],
            [],
        )

    def test_what_was_never_decided_is_erased_without_a_word(self, store: Store) -> None:
        """And nothing else is."""
        one = a_decision(1)
        append(store, one, feedback_of(one, 1))
        before = plain(store.decision(one.decision_key))
        store.erase([b"?" * 16])
        assert plain(store.decision(one.decision_key)) == before

    def test_preferences_that_are_said_again_are_no_new_version(self, store: Store, tmp_path: Path) -> None:
        """By two workers with the same report, or by one that repeats it."""
        changed = replace(PREFERENCES, preferences={"quality": 0.5}, recorded_us=5)
        append(store, changed)
        append(store, changed)
        store, stored = self.again(store, tmp_path)
        assert stored.preferences == replace(changed, version=2)
        store.close()

    def test_closing_is_durable_and_may_be_repeated(self, store: Store, tmp_path: Path) -> None:
        """No caller has to wait for a future first; afterwards records are refused."""
        for number in range(1, 1_201):
            store.append([a_decision(number)])
        store.close()
        store.close()
        refusal = store.append([a_decision(1_201)]).exception(timeout=30)
        assert isinstance(refusal, StoreError)
        assert refusal.code == "store.closed"
        assert store.health().state == "closed"
        store, stored = self.again(store, tmp_path)
        assert stored.end == store.end() == Position(0, 1_200)
        store.close()

    @pytest.mark.parametrize(
        ("record", "sentence"),
        [
            (replace(_TWO, row=_TWO.row[:3]), "a decision has 3 features with its intercept, this router has 4"),
            (
                replace(_TWO, row=np.array([1, -(2**31), 0, 1 << 15], dtype=np.int32)),
                "a decision has a feature of 2147483648 grid units, this router's are at most 131072",
            ),
            (
                feedback_of(_TWO, 1, values=(2**62,)),
                "feedback of group 'quality' has a value of 4611686018427387904 grid units, outside [0, 65536]",
            ),
            (
                feedback_of(_TWO, 1, revision=1, previous=(-1,)),
                "feedback of group 'quality' has a value of -1 grid units, outside [0, 65536]",
            ),
            (
                feedback_of(_TWO, 1, "response", values=(1, 2, 3)),
                "feedback of group 'response' has 3 values, its objectives are 2",
            ),
            (feedback_of(_TWO, 1, "other"), "feedback is of group 'other', this router has: quality, response"),
            (
                replace(_TWO, draw_key="a\0b"),
                "key contains NUL or a lone surrogate, which PostgreSQL cannot store; remove it",
            ),
            (
                replace(_TWO, session="\ud83d"),
                "session contains NUL or a lone surrogate, which PostgreSQL cannot store; remove it",
            ),
            (
                replace(_TWO, cohort="\0"),
                "cohort contains NUL or a lone surrogate, which PostgreSQL cannot store; remove it",
            ),
            (
                feedback_of(_TWO, 1, source="judge\udfff"),
                "source contains NUL or a lone surrogate, which PostgreSQL cannot store; remove it",
            ),
            (
                a_report(_TWO, 0.5, source="\0"),
                "source contains NUL or a lone surrogate, which PostgreSQL cannot store; remove it",
            ),
        ],
        ids=lambda value: "" if isinstance(value, str) else type(value).__name__,
    )
    def test_what_no_router_could_have_said_is_refused(self, store: Store, record: Any, sentence: str) -> None:
        """In one sentence, with all that came in the same call, and it costs the other calls nothing."""
        before = store.append([a_decision(1)])
        refusal = store.append([a_decision(3), record]).exception(timeout=30)
        after = store.append([a_decision(4)])
        assert isinstance(refusal, StoreError)
        assert str(refusal) == sentence
        assert before.result(timeout=30) == after.result(timeout=30) == "recorded"
        store.flush()
        assert [record.decision_key[-1] for record in store.events()] == [1, 4]

    def test_awkward_values_come_back(self, tmp_path: Path) -> None:
        """Names in any script, quotes and semicolons, numbers at the edges of their types."""
        store = self.open_new(tmp_path)
        open_router(store, WIDE)
        names = ("中 🦜", "'; DROP TABLE br_arm; --", '%s ? :x "')
        decision = a_decision(
            1,
            arm=names[1],
            arms=names,
            row=np.full(4_096, -(4 << 15), dtype=np.int32),
            probabilities=np.array([5e-324, 1.0, 0.0]),
            mean=np.array([[-0.0, 1.7976931348623157e308, 5e-324]] * 3),
            width=np.zeros((3, 3), order="F"),
            preferences={},
            excluded={names[0]: "it's \N{SNOWMAN}\x00"},
            epoch=2**40,
            draw_key="ключ'\"",
            session="👩\u200d🚀\r\n\t\x7f\x01\ufeff\uffff",
            cohort="e\u0301 é \U0010ffff",
            created_us=-(2**62),
        )
        feedback = feedback_of(
            decision,
            1,
            values=(1 << 16,),
            outcomes={"quality": -0.0, "tokens": 2**62, "latency_s": 5e-324},
            source="source; --",
            received_us=2**62,
        )
        bare = feedback_of(decision, 2, "response", outcomes={}, values=(0, 1 << 16))
        append(store, *(ArmRecord(Arm(name), "active", None, 0, 2**62) for name in names))
        append(store, decision, feedback, bare)
        store.close()
        store = self.reopen(store, tmp_path)
        stored = open_router(store, WIDE)
        assert tuple(record.arm.name for record in stored.arms[2:]) == names
        assert journal(store) == plain([decision, feedback, bare])
        store.close()


def _is_behind(record: DecisionRecord | FeedbackRecord, after: Position) -> bool:
    if isinstance(record, DecisionRecord):
        return record.number > after.n_decisions
    return record.number > after.n_feedback
