"""The transaction that numbers the appended rows, and adds their feedback to the sums."""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Connection, and_, bindparam, case, func, insert, literal, select, union_all, update

from banditroute.core.log import FeedbackRecord, StateKey
from banditroute.core.revisions import follows
from banditroute.errors import SnapshotCorruptError
from banditroute.store.base import Fold
from banditroute.store.databases.base import Database
from banditroute.store.schema import tables
from banditroute.store.schema.tables import Row
from banditroute.store.sql.base_sums import base_of
from banditroute.store.sql.encode import REFUSED, REVISION_COLUMNS
from banditroute.store.sql.read import arm_ids, feedback_chunks, log_end, read_feedback_of, rows_of
from banditroute.store.sql.rows import NOTHING, readable, safe_reason

CACHED_BYTES = 16 << 20
"""Above this size, only sums of the newest epoch stay in memory, and not those of the epoch before [bytes]."""

LIMIT = 5_000
"""Most rows in one fold; other workers cannot fold in the meantime."""

_log = logging.getLogger("banditroute")

_d, _f = tables.decision.c, tables.feedback.c
_IS_DECISION, _IS_FEEDBACK = 0, 1

# A feedback that arrived before its decision, or before its own earlier revision, is placed right after it. Other
# decisions have their number already, and the arrivals of different workers cannot be compared.
_last_revision = func.max(_f.arrival).over(partition_by=(_f.body, _f.objective_group), order_by=_f.revision)
_PENDING = (
    union_all(
        select(
            literal(_IS_DECISION).label("kind"),
            _d.decision_id.label("row"),
            _d.arrival.label("position"),
            literal(0).label("revision"),
            _d.arrival.label("arrival"),
        ).where(_d.router_id == bindparam("router_id"), _d.decided.is_(None)),
        select(
            literal(_IS_FEEDBACK),
            _f.feedback_id,
            case((and_(_d.decided.is_(None), _d.arrival > _last_revision), _d.arrival), else_=_last_revision),
            _f.revision,
            _f.arrival,
        )
        .join(tables.decision, tables.with_decision)
        .where(_f.router_id == bindparam("router_id"), _f.learned.is_(None)),
    )
    .order_by("position", "kind", "revision", "arrival")
    .limit(bindparam("limit"))
)

_LAST_FOLD = select(func.max(tables.fold.c.fold_no)).where(tables.fold.c.router_id == bindparam("router_id"))

_s = tables.state.c
_SUMS = select(_s.blob, _s.sha256).where(
    _s.router_id == bindparam("router_id"),
    _s.arm_id == bindparam("arm_id"),
    _s.objective_group == bindparam("group"),
    _s.epoch == bindparam("epoch"),
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

    The numbers, the updated sums and a row of ``br_fold`` are written in one transaction, so that a crash leaves
    either all of them or none. The sums are cached between transactions; the cache is dropped as soon as another
    worker wrote the last row of ``br_fold``.

    Attributes:
        rebuilt: Number of damaged sums that were rebuilt from the log.
    """

    def __init__(self, database: Database, router_id: int, fold: Fold) -> None:
        self._database = database
        self._router_id = router_id
        self._fold = fold
        self.blobs: dict[StateKey, bytes] = {}
        self._epoch = 0
        self._fold_no = -1
        self.rebuilt = 0

    def forget(self) -> None:
        """Drop what was cached: the transaction that read it failed."""
        self.blobs, self._fold_no = {}, -1

    def fold(self, connection: Connection, limit: int = LIMIT) -> int:
        """Number at most ``limit`` waiting rows and learn their feedback; return the number of rows."""
        behind, learned = self.number(connection, limit)
        self.learn(connection, behind, learned[0])
        return learned[1]

    def number(self, connection: Connection, limit: int = LIMIT) -> tuple[int, tuple[int, int]]:
        """Number the waiting rows; return (last feedback number before, (last one now, number of rows))."""
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
        """Add the feedback in (``behind``, ``up_to``] to the sums, and write a row of ``br_fold``."""
        if behind == up_to:
            return
        rows = self._learnable(connection, behind, up_to)
        fold_no = self._last_fold(connection)
        if fold_no != self._fold_no:
            self.blobs = {}
        numbers = arm_ids(connection, self._router_id).ids
        touched = {StateKey(row.arm, row.group, row.epoch) for row in rows}
        stored = self._read(connection, touched, numbers)
        moved = self._moved(connection, stored, rows, numbers, up_to)
        self._write(connection, moved, numbers, known=frozenset(stored), last=up_to)
        connection.execute(
            insert(tables.fold),
            {
                "router_id": self._router_id,
                "fold_no": fold_no + 1,
                "first_seq": behind + 1,
                "last_seq": up_to,
                "feedback_count": up_to - behind,
                "state_sha256": _digest(moved),
            },
        )
        self._keep(moved)
        self._fold_no = fold_no + 1

    def _keep(self, moved: Mapping[StateKey, bytes]) -> None:
        """Cache the new sums; drop sums of old epochs, which only late feedback changes, from the cache."""
        self.blobs.update(moved)
        newest = max((key.epoch for key in moved), default=0)
        if newest > self._epoch:
            self._epoch = newest
            last = 1 if sum(map(len, self.blobs.values())) < CACHED_BYTES else 0
            self.blobs = {key: blob for key, blob in self.blobs.items() if key.epoch >= newest - last}

    def _learnable(self, connection: Connection, behind: int, up_to: int) -> list[FeedbackRecord]:
        """Return the rows in (``behind``, ``up_to``] that can be learned; refuse the others permanently."""
        refused: dict[int, str] = {}
        chunks = feedback_chunks(
            connection, self._router_id, behind, up_to, lambda row, reason: refused.update({row.number: reason})
        )
        rows = [row for chunk in chunks for row in readable(chunk)]
        for number, reason in refused.items():
            self._refuse(connection, number, reason)
        return self._following(connection, rows)

    def _following(self, connection: Connection, rows: Sequence[FeedbackRecord]) -> list[FeedbackRecord]:
        """Return the rows that subtract exactly what was added before; refuse others, which would corrupt sums."""
        later = {row.decision_key for row in rows if row.revision or row.previous is not None}
        if not later:
            return list(rows)
        of_these = tables.of_router(tables.feedback, self._router_id) & self._database.among(_f.body, "bodies")
        columns = (tables.feedback.c[name] for name in REVISION_COLUMNS)
        found = connection.execute(select(*columns).where(of_these), {"bodies": list(later)}).all()
        read = rows_of(connection, self._router_id)
        known = {(row.body, row.objective_group, row.revision): read.revision(row) for row in found}
        following = []
        for row in rows:
            before = known.get((row.decision_key, row.group, row.revision - 1))
            if before is not None and not before.arm:
                # What an unreadable row added was never learned, so nothing is subtracted.
                row = replace(row, previous=None)
            elif not follows(before, row):
                self._refuse(connection, row.number, "it does not subtract the values of the revision before it")
                known[row.decision_key, row.group, row.revision] = NOTHING
                continue
            following.append(row)
        return following

    def _refuse(self, connection: Connection, number: int, reason: str) -> None:
        _log.error("feedback number %d cannot be learned, and is skipped: %s", number, reason)
        here = _f.router_id == self._router_id
        row = connection.execute(
            update(tables.feedback)
            .where(here, _f.learned == number)
            .values(kind=REFUSED)
            .returning(_f.body, _f.objective_group, _f.revision)
        ).one()
        # Its values were never added, so the next revision, if it is stored already, must not subtract them.
        connection.execute(
            update(tables.feedback)
            .where(
                here,
                _f.body == row.body,
                _f.objective_group == row.objective_group,
                _f.revision == row.revision + 1,
            )
            .values(grid_previous=None)
        )

    def _last_fold(self, connection: Connection) -> int:
        return connection.scalar(_LAST_FOLD, {"router_id": self._router_id}) or 0

    def _read(
        self, connection: Connection, touched: set[StateKey], numbers: Mapping[str, int]
    ) -> dict[StateKey, bytes | None]:
        """Return the stored sums of the keys that have any; None for damaged sums."""
        found: dict[StateKey, bytes | None] = {}
        for key in touched:
            if key in self.blobs:
                found[key] = self.blobs[key]
                continue
            where = {"arm_id": numbers[key.arm], "group": key.group, "epoch": key.epoch}
            row = connection.execute(_SUMS, {"router_id": self._router_id, **where}).first()
            if row is not None:
                found[key] = row.blob if hashlib.sha256(row.blob).digest() == row.sha256 else None
        return found

    def _moved(
        self,
        connection: Connection,
        stored: Mapping[StateKey, bytes | None],
        rows: Sequence[FeedbackRecord],
        numbers: Mapping[str, int],
        up_to: int,
    ) -> dict[StateKey, bytes]:
        """Return the new sums; damaged ones are rebuilt from the log and do not block the others."""
        good = {key: blob for key, blob in stored.items() if blob is not None}
        broken = stored.keys() - good.keys()
        foldable = [row for row in rows if StateKey(row.arm, row.group, row.epoch) not in broken]
        try:
            moved = dict(self._fold(good, foldable))
        except Exception:  # noqa: BLE001  (no error of one key may block the others)
            moved = {}
            for key in {StateKey(row.arm, row.group, row.epoch) for row in foldable}:
                of_key = [row for row in foldable if (row.arm, row.group, row.epoch) == key]
                try:
                    moved.update(self._one_by_one(connection, {key: good[key]} if key in good else {}, of_key))
                except SnapshotCorruptError:
                    broken.add(key)
        for key in broken:
            self.rebuilt += 1
            _log.error("the stored sums of %s were damaged; they are rebuilt from the log", key)
            blob = base_of(connection, self._router_id, numbers[key.arm], key)
            for chunk in read_feedback_of(connection, self._router_id, numbers[key.arm], key, up_to):
                blob = self._one_by_one(connection, blob, readable(chunk))
            moved.update(blob)
        return moved

    def _one_by_one(
        self, connection: Connection, blob: Mapping[StateKey, bytes], rows: Sequence[FeedbackRecord]
    ) -> Mapping[StateKey, bytes]:
        """Fold rows of one key; refuse the rows that cannot be folded.

        Raises:
            SnapshotCorruptError: if the sums are damaged.
        """
        try:
            return self._fold(blob, rows)
        except SnapshotCorruptError:
            raise
        except Exception as error:  # noqa: BLE001  (as above)
            if len(rows) == 1:
                self._refuse(connection, rows[0].number, safe_reason(error))
                return blob
        half = len(rows) // 2
        return self._one_by_one(connection, self._one_by_one(connection, blob, rows[:half]), rows[half:])

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
            primary_key = (self._router_id, numbers[key.arm], key.group, key.epoch)
            row = (*primary_key, blob, last, hashlib.sha256(blob).digest())
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
