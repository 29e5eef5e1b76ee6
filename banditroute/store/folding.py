"""The transaction that numbers what was appended, and moves the sums along."""

import hashlib
import logging
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, bindparam, case, func, insert, literal, select, union_all, update

from banditroute.errors import SnapshotCorruptError
from banditroute.records import FeedbackRecord, StateKey
from banditroute.store import tables
from banditroute.store.base import Fold
from banditroute.store.baseline import base_of
from banditroute.store.codec import Row
from banditroute.store.database import Database
from banditroute.store.reader import arm_ids, log_end, read_feedback, read_feedback_of

LIMIT = 5_000
"""Rows to a fold: so long does one worker keep the others from folding."""

_log = logging.getLogger("banditroute")

_d, _f = tables.decision.c, tables.feedback.c
_IS_DECISION, _IS_FEEDBACK = 0, 1

# A feedback that came before its decision, or before its own earlier revision, comes right after it.
_last_revision = func.max(_f.arrival).over(partition_by=(_f.body, _f.objective_group), order_by=_f.revision)
_PENDING = (
    union_all(
        select(
            literal(_IS_DECISION).label("kind"),
            _d.decision_id.label("row"),
            _d.arrival.label("place"),
            literal(0).label("revision"),
            _d.arrival.label("arrival"),
        ).where(_d.router_id == bindparam("router_id"), _d.decided.is_(None)),
        select(
            literal(_IS_FEEDBACK),
            _f.feedback_id,
            case((_last_revision > _d.arrival, _last_revision), else_=_d.arrival),
            _f.revision,
            _f.arrival,
        )
        .join(tables.decision, tables.with_decision)
        .where(_f.router_id == bindparam("router_id"), _f.learned.is_(None)),
    )
    .order_by("place", "kind", "revision", "arrival")
    .limit(bindparam("limit"))
)

_STATE = [column.name for column in tables.state.c]
_NEW_STATE = [f"new_{name}" for name in _STATE]
_UPDATE_STATE = (
    update(tables.state)
    .where(*(column == bindparam(f"new_{column.name}") for column in tables.state.primary_key))
    .values({name: bindparam(f"new_{name}") for name in ("blob", "last_seq", "sha256")})
)


class Folder:
    """Folds the log of one router, for all of its workers.

    Numbers, the sums that the feedback moves, and a line about the fold go into one transaction: a crash anywhere
    leaves either all or nothing of it. The sums are kept in memory between transactions, and forgotten as soon as
    the last line of the ledger is not the one that this process wrote.

    Attributes:
        rebuilt: How many sums were found broken, and made anew from the log.
    """

    def __init__(self, database: Database, router_id: int, fold: Fold) -> None:
        self._database = database
        self._router_id = router_id
        self._fold = fold
        self._blobs: dict[StateKey, bytes] = {}
        self._fold_no = -1
        self.rebuilt = 0

    def forget(self) -> None:
        """Nothing that was read may be true any more: its transaction failed."""
        self._blobs, self._fold_no = {}, -1

    def fold(self, connection: Connection, limit: int = LIMIT) -> int:
        """Number what waits, at most ``limit`` rows of it, and learn its feedback; how many rows that were."""
        behind, learned = self.number(connection, limit)
        self.learn(connection, behind, learned[0])
        return learned[1]

    def number(self, connection: Connection, limit: int = LIMIT) -> tuple[int, tuple[int, int]]:
        """Number what waits: (last number of a feedback before, (last one now, how many rows))."""
        rows = connection.execute(_PENDING, {"router_id": self._router_id, "limit": limit}).all()
        behind, decided = log_end(connection, self._router_id)
        learned = behind
        decisions: dict[int, tuple[int, ...]] = {}
        feedback: dict[int, tuple[int, ...]] = {}
        for kind, row, *_ in rows:
            if kind == _IS_DECISION:
                decided += 1
                decisions[row] = (decided, learned)
            else:
                learned += 1
                feedback[row] = (learned,)
        if decisions:
            self._database.number(connection, tables.decision, decisions)
        if feedback:
            self._database.number(connection, tables.feedback, feedback)
        return behind, (learned, len(rows))

    def learn(self, connection: Connection, behind: int, up_to: int) -> None:
        """Add the feedback behind one number, up to another, to the sums, and a line to the ledger."""
        if behind == up_to:
            return
        rows = list(read_feedback(connection, self._router_id, behind, up_to))
        fold_no = self._last_fold(connection)
        if fold_no != self._fold_no:
            self._blobs = {}
        numbers = arm_ids(connection, self._router_id).ids
        touched = {StateKey(row.arm, row.group, row.epoch) for row in rows}
        stored = self._read(connection, touched, numbers)
        moved = self._moved(connection, stored, rows, numbers)
        self._write(connection, moved, numbers, known=frozenset(stored), last=up_to)
        connection.execute(
            insert(tables.fold),
            {
                "router_id": self._router_id,
                "fold_no": fold_no + 1,
                "first_seq": behind + 1,
                "last_seq": up_to,
                "feedback_count": len(rows),
                "state_sha256": _digest(moved),
            },
        )
        self._blobs.update(moved)
        self._fold_no = fold_no + 1

    def _last_fold(self, connection: Connection) -> int:
        fold = tables.fold.c
        return connection.scalar(select(func.max(fold.fold_no)).where(fold.router_id == self._router_id)) or 0

    def _read(
        self, connection: Connection, touched: set[StateKey], numbers: Mapping[str, int]
    ) -> dict[StateKey, bytes | None]:
        """The stored sums of the keys that have some; None for those that are broken."""
        state = tables.state.c
        found: dict[StateKey, bytes | None] = {}
        for key in touched:
            if key in self._blobs:
                found[key] = self._blobs[key]
                continue
            row = connection.execute(
                select(state.blob, state.sha256).where(
                    state.router_id == self._router_id,
                    state.arm_id == numbers[key.arm],
                    state.objective_group == key.group,
                    state.epoch == key.epoch,
                )
            ).first()
            if row is not None:
                found[key] = row.blob if hashlib.sha256(row.blob).digest() == row.sha256 else None
        return found

    def _moved(
        self,
        connection: Connection,
        stored: Mapping[StateKey, bytes | None],
        rows: Sequence[FeedbackRecord],
        numbers: Mapping[str, int],
    ) -> dict[StateKey, bytes]:
        """The new sums; those that are broken are made anew from the log, and do not stop the others."""
        good = {key: blob for key, blob in stored.items() if blob is not None}
        broken = stored.keys() - good.keys()
        sound = [row for row in rows if StateKey(row.arm, row.group, row.epoch) not in broken]
        try:
            moved = dict(self._fold(good, sound))
        except SnapshotCorruptError:
            moved = {}
            for key in {StateKey(row.arm, row.group, row.epoch) for row in sound}:
                mine = [row for row in sound if (row.arm, row.group, row.epoch) == key]
                try:
                    moved.update(self._fold({key: good[key]} if key in good else {}, mine))
                except SnapshotCorruptError:
                    broken.add(key)
        for key in broken:
            self.rebuilt += 1
            _log.error("the stored sums of %s were broken; they are made anew from the log", key)
            blob = base_of(connection, self._router_id, numbers[key.arm], key)
            for chunk in read_feedback_of(connection, self._router_id, numbers[key.arm], key, rows[-1].learned):
                blob = self._fold(blob, chunk)
            moved.update(blob)
        return moved

    def _write(
        self,
        connection: Connection,
        moved: Mapping[StateKey, bytes],
        numbers: Mapping[str, int],
        *,
        known: frozenset[StateKey],
        last: int,
    ) -> None:
        new: list[Row] = []
        old: list[Row] = []
        for key, blob in moved.items():
            place = (self._router_id, numbers[key.arm], key.group, key.epoch)
            row = (*place, blob, last, hashlib.sha256(blob).digest())
            if key in known:
                old.append(dict(zip(_NEW_STATE, row, strict=True)))
            else:
                new.append(dict(zip(_STATE, row, strict=True)))
        if new:
            connection.execute(insert(tables.state), new)
        if old:
            connection.execute(_UPDATE_STATE, old)


def _digest(blobs: Mapping[StateKey, bytes]) -> bytes:
    digest = hashlib.sha256()
    for key in sorted(blobs):
        digest.update(repr(tuple(key)).encode())
        digest.update(blobs[key])
    return digest.digest()
