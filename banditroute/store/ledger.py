"""The transaction that appends to one router's log and moves its sums along."""

import hashlib
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, Engine, bindparam, delete, exists, func, insert, select, update

from banditroute.errors import SnapshotCorruptError, StoreError
from banditroute.records import (
    ArmRecord,
    DecisionRecord,
    FeedbackRecord,
    LogRecord,
    PreferencesRecord,
    SnapshotRecord,
    SpaceRecord,
    StateKey,
)
from banditroute.store import tables
from banditroute.store.base import Fold
from banditroute.store.bulk import insert_many
from banditroute.store.codec import ArmIds, Row, arm_row, decision_row, feedback_row, preference_row, snapshot_row
from banditroute.store.engine import translated
from banditroute.store.reader import arm_ids

SNAPSHOTS_KEPT = 10

_STATE = [column.name for column in tables.state.c]
_NEW_STATE = [f"new_{name}" for name in _STATE]
_UPDATE_STATE = (
    update(tables.state)
    .where(*(column == bindparam(f"new_{column.name}") for column in tables.state.primary_key))
    .values({name: bindparam(f"new_{name}") for name in ("blob", "last_seq", "sha256")})
)


class Ledger:
    """Appends records to the log of one router.

    Decisions, feedback, the sums that the feedback moves, and a line about the fold go into one transaction: a
    crash anywhere leaves either all or nothing of it. The sums are kept in memory between transactions, and
    forgotten as soon as the last line of the ledger is not the one that this process wrote.
    """

    def __init__(self, engine: Engine, router_id: int, fold: Fold) -> None:
        self._engine = engine
        self._router_id = router_id
        self._fold = fold
        self._arms = ArmIds({})
        self._blobs: dict[StateKey, bytes] = {}
        self._fold_no = -1

    def __call__(self, records: Sequence[LogRecord]) -> None:
        """Make the records durable, all or none.

        Raises:
            StoreError: for records that contradict the log: a number twice, a gap, an unknown arm or decision.
            StoreUnavailableError: when the database cannot take them now.
        """
        try:
            with translated("records not stored"), self._engine.begin() as connection:
                self.write_log(connection, records)
                self.write_state(connection, records)
        except BaseException:
            self._arms, self._blobs, self._fold_no = ArmIds({}), {}, -1
            raise

    def write_log(self, connection: Connection, records: Sequence[LogRecord]) -> None:
        """Insert the rows of the records, with what they refer to first."""
        for record in records:
            match record:
                case ArmRecord():
                    write_arm(connection, self._router_id, record)
                    self._arms = ArmIds({})
                case PreferencesRecord():
                    connection.execute(insert(tables.preference), preference_row(record, self._router_id))
                case SpaceRecord():
                    self._fix_dimension(connection, record.dimension)
                case SnapshotRecord():
                    self._write_snapshot(connection, record)
                case DecisionRecord() | FeedbackRecord():
                    pass
        events = [record for record in records if isinstance(record, DecisionRecord | FeedbackRecord)]
        self._know_arms(connection, events)
        router_id, arms = self._router_id, self._arms
        decisions = [
            decision_row(record, router_id, arms) for record in events if isinstance(record, DecisionRecord)
        ]
        feedback = [
            feedback_row(record, router_id, arms) for record in events if isinstance(record, FeedbackRecord)
        ]
        if decisions:
            insert_many(connection, tables.decision, decisions)
        if feedback:
            self._check_numbers(connection, [record for record in events if isinstance(record, FeedbackRecord)])
            insert_many(connection, tables.feedback, feedback)

    def write_state(self, connection: Connection, records: Sequence[LogRecord]) -> None:
        """Add the feedback among the records to the sums, and a line to the ledger."""
        rows = [record for record in records if isinstance(record, FeedbackRecord)]
        if not rows:
            return
        fold_no, last = self._last_fold(connection)
        if fold_no != self._fold_no:
            self._blobs = {}
        self._check_decisions(connection, rows, last)
        touched = {StateKey(row.arm, row.group, row.epoch) for row in rows}
        held = self._read(connection, touched)
        moved = self._fold(held, rows)
        last = rows[-1].learned
        self._write(connection, held, moved, last)
        connection.execute(
            insert(tables.fold),
            {
                "router_id": self._router_id,
                "fold_no": fold_no + 1,
                "first_seq": rows[0].learned,
                "last_seq": last,
                "feedback_count": len(rows),
                "state_sha256": _digest(moved),
            },
        )
        self._blobs.update(moved)
        self._fold_no = fold_no + 1

    def _last_fold(self, connection: Connection) -> tuple[int, int]:
        fold = tables.fold.c
        row = connection.execute(
            select(fold.fold_no, fold.last_seq)
            .where(fold.router_id == self._router_id)
            .order_by(fold.fold_no.desc())
            .limit(1)
        ).first()
        return (row.fold_no, row.last_seq) if row else (0, 0)

    def _check_numbers(self, connection: Connection, rows: Sequence[FeedbackRecord]) -> None:
        _, last = self._last_fold(connection)
        for expected, row in enumerate(rows, last + 1):
            if row.learned != expected:
                raise StoreError(
                    f"feedback number {row.learned} does not follow number {expected - 1}; "
                    "does another process write to the same router?"
                )

    def _check_decisions(self, connection: Connection, rows: Sequence[FeedbackRecord], last: int) -> None:
        feedback, decision = tables.feedback.c, tables.decision.c
        known = exists().where(decision.router_id == feedback.router_id, decision.body == feedback.body)
        orphans = connection.scalar(
            select(func.count()).where(feedback.router_id == self._router_id, feedback.learned > last, ~known)
        )
        if orphans:
            raise StoreError(f"{orphans} of {len(rows)} feedbacks belong to decisions that are not stored")

    def _read(self, connection: Connection, touched: set[StateKey]) -> dict[StateKey, bytes]:
        state = tables.state.c
        missing = [key for key in touched if key not in self._blobs]
        for key in missing:
            row = connection.execute(
                select(state.blob, state.sha256).where(
                    state.router_id == self._router_id,
                    state.arm_id == self._arms.ids[key.arm],
                    state.objective_group == key.group,
                    state.epoch == key.epoch,
                )
            ).first()
            if row is None:
                continue
            if hashlib.sha256(row.blob).digest() != row.sha256:
                raise SnapshotCorruptError(
                    f"the stored sums of {key} fail their checksum; rebuild them from the log"
                )
            self._blobs[key] = row.blob
        return {key: self._blobs[key] for key in touched if key in self._blobs}

    def _write(
        self, connection: Connection, held: Mapping[StateKey, bytes], moved: Mapping[StateKey, bytes], last: int
    ) -> None:
        new: list[Row] = []
        old: list[Row] = []
        for key, blob in moved.items():
            place = (self._router_id, self._arms.ids[key.arm], key.group, key.epoch)
            row = (*place, blob, last, hashlib.sha256(blob).digest())
            if key in held:
                old.append(dict(zip(_NEW_STATE, row, strict=True)))
            else:
                new.append(dict(zip(_STATE, row, strict=True)))
        if new:
            connection.execute(insert(tables.state), new)
        if old:
            connection.execute(_UPDATE_STATE, old)

    def _know_arms(self, connection: Connection, events: Sequence[DecisionRecord | FeedbackRecord]) -> None:
        named = {record.arm for record in events}
        for arms in {record.arms for record in events if isinstance(record, DecisionRecord)}:
            named.update(arms)
        if named <= self._arms.ids.keys():
            return
        self._arms = arm_ids(connection, self._router_id)
        unknown = sorted(named - self._arms.ids.keys())
        if unknown:
            raise StoreError(f"arm {unknown[0]!r:.80} was never added to this router")

    def _fix_dimension(self, connection: Connection, dimension: int) -> None:
        router = tables.router
        free = router.c.dimension.is_(None) | (router.c.dimension == dimension)
        changed = connection.execute(
            update(router).where(router.c.router_id == self._router_id, free).values(dimension=dimension)
        )
        if not changed.rowcount:
            raise StoreError(f"dimension {dimension} contradicts the stored one")

    def _write_snapshot(self, connection: Connection, record: SnapshotRecord) -> None:
        snapshot = tables.snapshot
        row = snapshot_row(record, self._router_id)
        here = snapshot.c.router_id == self._router_id
        connection.execute(
            delete(snapshot).where(
                here, snapshot.c.learned == row["learned"], snapshot.c.decided == row["decided"]
            )
        )
        connection.execute(insert(snapshot), row)
        places = connection.execute(
            select(snapshot.c.learned, snapshot.c.decided)
            .where(here)
            .order_by(snapshot.c.learned.desc(), snapshot.c.decided.desc())
            .offset(SNAPSHOTS_KEPT)
        ).all()
        for learned, decided in places:
            connection.execute(
                delete(snapshot).where(here, snapshot.c.learned == learned, snapshot.c.decided == decided)
            )


def write_arm(connection: Connection, router_id: int, record: ArmRecord) -> None:
    """Add an arm or change it, and keep what it cost from when on."""
    arm, price = tables.arm, tables.price
    row = arm_row(record, router_id)
    same = (arm.c.router_id == router_id) & (arm.c.name == record.arm.name)
    if not connection.execute(update(arm).where(same).values(row)).rowcount:
        connection.execute(insert(arm), row)
    if record.arm.price is None:
        return
    number = connection.scalar(select(arm.c.arm_id).where(same))
    cost = {"input": record.arm.price.input, "output": record.arm.price.output, "recorded_us": record.recorded_us}
    effective = (price.c.arm_id == number) & (price.c.effective_us == record.price_effective_us)
    if not connection.execute(update(price).where(effective).values(cost)).rowcount:
        connection.execute(insert(price), {"arm_id": number, "effective_us": record.price_effective_us, **cost})


def _digest(blobs: Mapping[StateKey, bytes]) -> bytes:
    digest = hashlib.sha256()
    for key in sorted(blobs):
        digest.update(repr(tuple(key)).encode())
        digest.update(blobs[key])
    return digest.digest()
