"""What every store keeps, and the records with which that is tested."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from banditroute.arms import Arm, Price
from banditroute.errors import RouterMismatchError, StoreError
from banditroute.objectives import Objective
from banditroute.records import (
    ArmRecord,
    DecisionRecord,
    FeedbackRecord,
    LogRecord,
    Position,
    PreferencesRecord,
    RouterSpec,
    SnapshotRecord,
    SpaceRecord,
    StateKey,
    StoredRouter,
)
from banditroute.store.base import Store

SPEC = RouterSpec(
    name="support",
    tenant="",
    objectives=(
        Objective("quality", bounds=(0, 1)),
        Objective("cost_usd", goal="min", bounds=(0, 0.05)),
        Objective("latency_s", goal="min", bounds=(0, 30)),
    ),
    dimension=3,
    intercept=True,
    x_max=4.0,
    policy={"name": "LinUCB", "alpha": 0.3},
)
ARMS = (
    ArmRecord(Arm("small", price=Price(input=0.15, output=0.6)), "active", None, 1_000, 1_000),
    ArmRecord(Arm("large", max_output_tokens=512, prior={"quality": 0.7}), "active", None, 0, 1_000),
)
PREFERENCES = PreferencesRecord(1, {"quality": 1.0, "cost_usd": 0.4}, 1_000)
SECRET = bytes(range(32))


def summing(blobs: Mapping[StateKey, bytes], rows: Sequence[FeedbackRecord]) -> Mapping[StateKey, bytes]:
    """A fold that anybody can check: each blob says how many rows it saw, and the sum of what they changed."""
    sums = {key: [int(part) for part in blob.split()] for key, blob in blobs.items()}
    for row in rows:
        total = sums.setdefault(StateKey(row.arm, row.group, row.epoch), [0, 0])
        total[0] += 1
        total[1] += (sum(row.values or ()) - sum(row.previous or ())) * int(row.row.sum(dtype=np.int64))
    return {key: b"%d %d" % tuple(total) for key, total in sums.items()}


def a_decision(decided: int, learned: int = 0, **changes: Any) -> DecisionRecord:
    """A decision record whose every field differs from that of the next one."""
    record = DecisionRecord(
        body=decided.to_bytes(16, "big"),
        decided=decided,
        learned=learned,
        arm=ARMS[decided % 2].arm.name,
        row=np.array([decided, -decided, 5, 1 << 15], dtype=np.int32),
        arms=tuple(record.arm.name for record in ARMS),
        probabilities=np.array([0.25, 0.75]),
        mean=np.arange(6.0).reshape(2, 3) / decided,
        width=np.full((2, 3), 1 / (decided + 1)),
        preferences={"quality": 1.0, "cost_usd": 0.1 * decided},
        weights=np.array([1.0, -0.1 * decided, 0.0]),
        excluded={},
        epoch=decided // 100,
        mode="live",
        cause="policy",
        key=None,
        effects={"cache": {"resident": ["small"], "epoch": decided}},
        created_us=1_700_000_000_000_000 + decided,
    )
    return replace(record, **changes)


def feedback_of(decision: DecisionRecord, learned: int, group: str = "quality", **changes: Any) -> FeedbackRecord:
    """First feedback on ``decision``."""
    record = FeedbackRecord(
        body=decision.body,
        learned=learned,
        group=group,
        revision=0,
        arm=decision.arm,
        row=decision.row,
        epoch=decision.epoch,
        values=(learned, -learned),
        previous=None,
        outcomes={"quality": learned / 7},
        source=None,
        received_us=1_700_000_000_000_000 + learned,
    )
    return replace(record, **changes)


def plain(value: Any) -> Any:
    """``value`` as something that is equal exactly when every bit is, whatever arrays and floats it holds."""
    if is_dataclass(value) and not isinstance(value, type):
        return type(value).__name__, tuple((f.name, plain(getattr(value, f.name))) for f in fields(value))
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return tuple(plain(item) for item in value)
    return value.hex() if isinstance(value, float) else value


def open_router(
    store: Store,
    spec: RouterSpec = SPEC,
    *,
    arms: Sequence[ArmRecord] = ARMS,
    preferences: PreferencesRecord = PREFERENCES,
    secret: bytes = SECRET,
) -> StoredRouter:
    """Open ``store`` for the router of these laws."""
    return store.open(spec, arms, preferences, secret=secret, fold=summing)


def append(store: Store, *records: LogRecord) -> None:
    """Append and wait until it is durable."""
    store.append(records).result(timeout=30)


class StoreLaws:
    """What every :class:`~banditroute.store.Store` keeps."""

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

    def test_a_new_router_is_what_was_given(self, tmp_path: Path) -> None:
        """With an empty log."""
        store = self.open_new(tmp_path)
        stored = open_router(store)
        assert stored == StoredRouter(SPEC, SECRET, ARMS, PREFERENCES, None, Position(), created=True)
        assert list(store.events()) == []
        store.close()

    def test_what_is_appended_comes_back_equal_and_as_it_was_lived(self, store: Store, tmp_path: Path) -> None:
        """Feedback in its order, each decision after the feedback that it knew of; also after reopening."""
        first, second, third = a_decision(1), a_decision(2), a_decision(3, learned=2)
        lived: list[DecisionRecord | FeedbackRecord] = [
            first,
            second,
            feedback_of(second, 1, source="judge"),
            feedback_of(first, 2, "response", arm="small"),
            third,
            feedback_of(first, 3, revision=1, values=None, previous=(3, -3)),
        ]
        append(store, first, second)
        append(store, lived[2], lived[3], third)
        append(store, lived[5])
        assert plain(list(store.events())) == plain(lived)
        store, _ = self.again(store, tmp_path)
        assert plain(list(store.events())) == plain(lived)
        for decided in range(4):
            for learned in range(4):
                expected = [r for r in lived if _is_behind(r, Position(learned, decided))]
                assert plain(list(store.events(Position(learned, decided)))) == plain(expected)
        store.close()

    def test_events_are_those_appended_before_the_call(self, store: Store) -> None:
        """Without waiting for any future; what comes later is for the next call."""
        futures = [store.append([a_decision(number)]) for number in range(1, 6)]
        events = store.events()
        append(store, a_decision(6))
        assert [record.decided for record in events if isinstance(record, DecisionRecord)] == [1, 2, 3, 4, 5]
        assert all(future.done() for future in futures)

    def test_threads_keep_their_order(self, store: Store) -> None:
        """All is there once, and a future is done only when those before it are."""
        lock, futures, number = threading.Lock(), [], iter(range(1, 401))

        def work() -> None:
            for _ in range(100):
                with lock:
                    decision = a_decision(next(number))
                    futures.append(store.append([decision, feedback_of(decision, decision.decided)]))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        futures[-1].result(timeout=30)
        assert all(future.done() and future.exception() is None for future in futures)
        learned = [record.learned for record in store.events() if isinstance(record, FeedbackRecord)]
        assert learned == list(range(1, 401))

    def test_an_append_is_all_or_nothing(self, store: Store) -> None:
        """Whether a store sees that feedback 1 is missing or not: a refusal leaves nothing of its append."""
        one, two = a_decision(1), a_decision(2)
        append(store, one)
        refused = store.append([two, feedback_of(two, 2)]).exception(timeout=30)
        assert refused is None or isinstance(refused, StoreError)
        assert len(list(store.events())) == (3 if refused is None else 1)

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
        store.append([one, two, mine[0], feedback_of(two, 2), mine[1]])
        found = store.decision(one.body)
        assert plain(found) == plain((one, tuple(mine)))
        assert store.decision(b"?" * 16) is None

    def test_closing_is_durable_and_may_be_repeated(self, store: Store, tmp_path: Path) -> None:
        """Nobody has to wait for a future first; afterwards records are refused."""
        for number in range(1, 1_201):
            store.append([a_decision(number)])
        store.close()
        store.close()
        refusal = store.append([a_decision(1_201)]).exception(timeout=30)
        assert isinstance(refusal, StoreError)
        assert refusal.code == "store.closed"
        store, stored = self.again(store, tmp_path)
        assert stored.end == Position(0, 1_200)
        store.close()

    def test_awkward_values_come_back(self, store: Store, tmp_path: Path) -> None:
        """Names in any script, quotes and semicolons, numbers at the edges of their types."""
        names = ("中 🦜", "'; DROP TABLE br_arm; --", '%s ? :x "')
        wide = np.full(4_096, -(2**31), dtype=np.int32)
        decision = a_decision(
            1,
            arm=names[1],
            arms=names,
            row=wide,
            probabilities=np.array([5e-324, 1.0, 0.0]),
            mean=np.array([[-0.0, 1.7976931348623157e308, 5e-324]] * 3),
            width=np.zeros((3, 3), order="F"),
            preferences={},
            excluded={names[0]: "it's \N{SNOWMAN}\x00"},
            epoch=2**40,
            key="ключ'\"",
            created_us=-(2**62),
        )
        feedback = feedback_of(
            decision,
            1,
            values=(2**62, -(2**62), 0),
            previous=(),
            outcomes={"quality": -0.0, "tokens": 2**62, "latency_s": 5e-324},
            source="source; --",
            received_us=2**62,
        )
        bare = feedback_of(decision, 2, "response", outcomes={}, values=None)
        append(store, *(ArmRecord(Arm(name), "active", None, 0, 2**62) for name in names))
        append(store, decision, feedback, bare)
        store, stored = self.again(store, tmp_path)
        assert tuple(record.arm.name for record in stored.arms[2:]) == names
        assert plain(list(store.events())) == plain([decision, feedback, bare])
        store.close()


def _is_behind(record: DecisionRecord | FeedbackRecord, after: Position) -> bool:
    if isinstance(record, DecisionRecord):
        return record.decided > after.decided
    return record.learned > after.learned
