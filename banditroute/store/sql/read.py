"""Reads the rows of one router as records."""

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

from sqlalchemy import BindParameter, Connection, Select, Table, and_, bindparam, exists, func, or_, select

from banditroute.core.arms import Price
from banditroute.core.log import (
    ArmRecord,
    DecisionRecord,
    FeedbackRecord,
    Position,
    PreferencesRecord,
    SnapshotRecord,
    StateKey,
)
from banditroute.core.price_history import DatedPrice
from banditroute.core.spec import StoredRouter
from banditroute.store.databases.base import Database
from banditroute.store.schema import tables
from banditroute.store.semantics.limits import Limits
from banditroute.store.semantics.order import merge_by_number
from banditroute.store.sql.decode import DECISION_COLUMNS, FEEDBACK_COLUMNS
from banditroute.store.sql.encode import REFUSED, ArmIds, to_arm, to_preferences, to_spec
from banditroute.store.sql.rows import OnSkip, Rows, SkippedRows, readable

T = TypeVar("T")

CHUNK = 512
"""Rows per query: this many stay in the processor cache while they are decoded."""

_log = logging.getLogger("banditroute")

_DECISIONS = select(*(tables.decision.c[name] for name in DECISION_COLUMNS))
_FEEDBACK = select(
    *(tables.feedback.c[name] for name in FEEDBACK_COLUMNS),
    tables.decision.c.features,
    tables.decision.c.epoch,
).join(tables.decision, tables.with_decision)


def _slice(query: Select[Any], number: Any) -> Select[Any]:
    here = number.table.c.router_id == bindparam("router_id")
    between = number > bindparam("behind"), number <= bindparam("up_to")
    return query.where(here, *between).order_by(number).limit(CHUNK)


def _of_others(query: Select[Any], worker: Any) -> Select[Any]:
    return query.where(or_(worker.is_(None), worker != bindparam("worker")))


_DECISION_SLICE = _slice(_DECISIONS, tables.decision.c.decided)
_FEEDBACK_SLICE = _slice(_FEEDBACK, tables.feedback.c.learned)
_OTHERS_DECISIONS = _of_others(_DECISION_SLICE, tables.decision.c.worker)
_OTHERS_FEEDBACK = _of_others(_FEEDBACK_SLICE, tables.feedback.c.worker)


def _on(query: Select[Any], table: Table) -> Select[Any]:
    return query.where(table.c.body == bindparam("body"), tables.of_router(table, bindparam("router_id")))


_DECISION = _on(_DECISIONS, tables.decision)
_FEEDBACK_ON = _on(_FEEDBACK, tables.feedback).order_by(
    tables.feedback.c.learned.is_(None),
    tables.feedback.c.learned,
    tables.feedback.c.revision,
    tables.feedback.c.arrival,
)
_FEEDBACK_OF = _FEEDBACK_SLICE.where(
    tables.feedback.c.arm_id == bindparam("arm_id"),
    tables.feedback.c.objective_group == bindparam("group"),
    tables.decision.c.epoch == bindparam("epoch"),
)

# The queries of every fold are built once: building one takes longer than running it.
_router = tables.router.c
_THIS_ROUTER: BindParameter[int] = bindparam("router_id")
_SHAPE = select(_router.dimension, _router.spec).where(_router.router_id == _THIS_ROUTER)
_ARM_IDS = select(tables.arm.c.name, tables.arm.c.arm_id).where(tables.arm.c.router_id == _THIS_ROUTER)
_COMPACTED = select(_router.compacted_learned, _router.compacted_decided).where(_router.router_id == _THIS_ROUTER)
_LOG_END = select(
    *(
        select(func.max(number)).where(number.table.c.router_id == _THIS_ROUTER).scalar_subquery()
        for number in (tables.feedback.c.learned, tables.decision.c.decided)
    ),
    _router.compacted_learned,
    _router.compacted_decided,
).where(_router.router_id == _THIS_ROUTER)


class LogReader:
    """Reads the log of one router, as a stream or by decision.

    Attributes:
        skipped: The corrupted rows that were skipped.
    """

    def __init__(self, database: Database, router_id: int, worker: str = "") -> None:
        self._database = database
        self._router_id = router_id
        self._worker = worker
        self.skipped = SkippedRows(_log.error)

    def end(self) -> Position:
        """Return where the journal ends now."""
        with self._database.read("reading the log") as connection:
            return log_end(connection, self._router_id)

    def events(
        self, after: Position, up_to: Position, *, others: bool = False
    ) -> Iterator[DecisionRecord | FeedbackRecord]:
        """Return the records between two positions, in log order; ``others`` leaves out this worker's own."""
        decisions, feedback = (
            (_OTHERS_DECISIONS, _OTHERS_FEEDBACK) if others else (_DECISION_SLICE, _FEEDBACK_SLICE)
        )
        with self._database.read("reading the log") as connection:
            rows = rows_of(connection, self._router_id, self.skipped)
        return merge_by_number(
            self._records(decisions, "decided", after.n_decisions, up_to.n_decisions, rows, Rows.decisions),
            self._records(feedback, "learned", after.n_feedback, up_to.n_feedback, rows, Rows.feedback),
        )

    def decision(self, body: bytes) -> tuple[DecisionRecord, tuple[FeedbackRecord, ...]] | None:
        """Return one decision with all its feedback, or None."""
        with self._database.read("reading a decision") as connection:
            return read_decision(connection, self._router_id, body, self.skipped)

    def decisions_missing_outcome(self, group: str, since_us: int) -> list[tuple[int, bytes]]:
        """Return (time [us], key) of decisions without learned feedback of a group, oldest first."""
        decision, feedback = tables.decision.c, tables.feedback.c
        learned = exists().where(
            feedback.body == decision.body,
            tables.of_router(tables.feedback, decision.router_id),
            feedback.objective_group == group,
            feedback.grid_values.is_not(None),
            feedback.kind != REFUSED,
        )
        query = (
            select(decision.created_us, decision.body)
            .where(decision.router_id == self._router_id, decision.created_us >= since_us, ~learned)
            .order_by(decision.created_us)
        )
        with self._database.read("reading decisions without outcome") as connection:
            return [(row.created_us, row.body) for row in connection.execute(query)]

    def decisions_with_source(self, source: str) -> list[bytes]:
        """Return the keys of decisions with feedback of a source."""
        feedback = tables.feedback.c
        query = (
            select(feedback.body)
            .distinct()
            .where(feedback.router_id == self._router_id, feedback.source == source)
        )
        with self._database.read("reading the feedback of a source") as connection:
            return [row.body for row in connection.execute(query)]

    def changed(self, revision: int) -> StoredRouter | None:
        """Return the stored router if its revision is not ``revision`` any more; else None."""
        with self._database.read("reading the router") as connection:
            now = connection.scalar(
                select(tables.router.c.revision).where(tables.router.c.router_id == self._router_id)
            )
            return None if now == revision else read_router(connection, self._router_id, with_snapshot=False)

    def _records(
        self,
        query: Select[Any],
        number: str,
        behind: int,
        up_to: int,
        rows: Rows,
        records: Callable[[Rows, Sequence[Any]], list[T]],
    ) -> Iterator[T]:
        wanted = {"router_id": self._router_id, "up_to": up_to, "worker": self._worker}
        while behind < up_to:
            # Each chunk is its own short transaction, so that a slow reader blocks no other transaction.
            with self._database.read("reading the log") as connection:
                found = connection.execute(query, {**wanted, "behind": behind}).all()
                rows.refresh(*known(connection, self._router_id))
            if not found:
                return
            yield from records(rows, found)
            behind = getattr(found[-1], number)


def read_decision(
    connection: Connection, router_id: int, body: bytes, on_skip: OnSkip | None = None
) -> tuple[DecisionRecord, tuple[FeedbackRecord, ...]] | None:
    """Return one decision with all its feedback, in journal order; revisions of a group are in their order.

    Returns None if the decision is missing or corrupted; corrupted feedback is left out.
    """
    wanted = {"router_id": router_id, "body": body}
    row = connection.execute(_DECISION, wanted).first()
    if row is None:
        return None
    feedback = connection.execute(_FEEDBACK_ON, wanted).all()
    rows = rows_of(connection, router_id, on_skip)
    (decision,) = rows.decisions([row])
    return (decision, tuple(readable(rows.feedback(feedback)))) if decision.arms else None


def decision_chunks(
    connection: Connection, router_id: int, behind: int, up_to: int, on_skip: OnSkip
) -> Iterator[Sequence[DecisionRecord]]:
    """Yield the numbered decisions in (``behind``, ``up_to``], one query at a time."""
    rows = rows_of(connection, router_id, on_skip)
    wanted = {"router_id": router_id, "up_to": up_to}
    while found := connection.execute(_DECISION_SLICE, {**wanted, "behind": behind}).all():
        yield rows.decisions(found)
        behind = found[-1].decided


def feedback_chunks(
    connection: Connection, router_id: int, behind: int, up_to: int, on_skip: OnSkip | None = None
) -> Iterator[Sequence[FeedbackRecord]]:
    """Yield the numbered feedback in (``behind``, ``up_to``], one query at a time."""
    return _chunks(connection, _FEEDBACK_SLICE, {"router_id": router_id, "up_to": up_to}, behind, on_skip)


def read_feedback_of(
    connection: Connection, router_id: int, arm_id: int, key: StateKey, up_to: int
) -> Iterator[Sequence[FeedbackRecord]]:
    """Yield the numbered feedback of one arm, group and epoch after the compaction horizon, in chunks."""
    wanted = {
        "router_id": router_id,
        "arm_id": arm_id,
        "group": key.group,
        "epoch": key.epoch,
        "up_to": up_to,
    }
    return _chunks(connection, _FEEDBACK_OF, wanted, compacted(connection, router_id).n_feedback)


def _chunks(
    connection: Connection,
    query: Select[Any],
    wanted: Mapping[str, Any],
    behind: int,
    on_skip: OnSkip | None = None,
) -> Iterator[Sequence[FeedbackRecord]]:
    rows = rows_of(connection, wanted["router_id"], on_skip)
    while found := connection.execute(query, {**wanted, "behind": behind}).all():
        yield rows.feedback(found)
        behind = found[-1].learned


def rows_of(connection: Connection, router_id: int, on_skip: OnSkip | None = None) -> Rows:
    """Return the decoder of a router's rows."""
    return Rows(*known(connection, router_id), on_skip)


def known(connection: Connection, router_id: int) -> tuple[ArmIds, Limits]:
    """Return the arms and limits against which the rows of a router are checked."""
    return arm_ids(connection, router_id), limits_of(connection, router_id)


def read_router(connection: Connection, router_id: int, *, with_snapshot: bool) -> StoredRouter:
    """Return the stored router."""
    row = connection.execute(select(tables.router).where(tables.router.c.router_id == router_id)).one()
    return StoredRouter(
        to_spec(row.tenant, row.name, row.dimension, row.spec),
        row.secret,
        arm_records(connection, router_id),
        latest_preferences(connection, router_id),
        newest_snapshot(connection, router_id) if with_snapshot else None,
        log_end(connection, router_id),
        created=False,
        prices=price_history(connection, router_id),
        revision=row.revision,
        horizon_us=row.horizon_us,
        accepted=accepted_secrets(connection, router_id),
    )


def accepted_secrets(connection: Connection, router_id: int) -> tuple[bytes, ...]:
    """Return the secrets whose ids are valid although they tag no new ids, the newest first."""
    table = tables.secret
    query = select(table.c.secret).where(table.c.router_id == router_id)
    return tuple(connection.scalars(query.order_by(table.c.recorded_us.desc(), table.c.secret)))


def limits_of(connection: Connection, router_id: int) -> Limits:
    """Return the limits of a router's rows."""
    row = connection.execute(_SHAPE, {"router_id": router_id}).one()
    return _limits(row.dimension, row.spec)


@lru_cache(maxsize=64)
def _limits(dimension: int | None, spec: str) -> Limits:
    return Limits.of(to_spec("", "", dimension, spec))


def arm_ids(connection: Connection, router_id: int) -> ArmIds:
    """Return the ids of a router's arms."""
    return ArmIds({row.name: row.arm_id for row in connection.execute(_ARM_IDS, {"router_id": router_id})})


def arm_records(connection: Connection, router_id: int) -> tuple[ArmRecord, ...]:
    """Return the arms of a router, in the order in which they were first added, with their last price."""
    price = tables.price.c
    query = (
        select(tables.arm, price.input, price.output)
        .outerjoin(
            tables.price,
            and_(price.arm_id == tables.arm.c.arm_id, price.effective_us == tables.arm.c.price_effective_us),
        )
        .where(tables.arm.c.router_id == router_id)
        .order_by(tables.arm.c.arm_id)
    )
    return tuple(to_arm(row) for row in connection.execute(query))


def price_history(connection: Connection, router_id: int) -> dict[str, list[DatedPrice]]:
    """Return all prices of every arm, oldest first."""
    price = tables.price.c
    query = (
        select(tables.arm.c.name, price.effective_us, price.input, price.output, price.recorded_us)
        .join(tables.price, price.arm_id == tables.arm.c.arm_id)
        .where(tables.arm.c.router_id == router_id)
        .order_by(price.effective_us)
    )
    history: dict[str, list[DatedPrice]] = {}
    for row in connection.execute(query):
        dated = DatedPrice(row.effective_us, Price(input=row.input, output=row.output), row.recorded_us)
        history.setdefault(row.name, []).append(dated)
    return history


def latest_preferences(connection: Connection, router_id: int) -> PreferencesRecord:
    """Return the preferences of the highest version."""
    preference = tables.preference
    row = connection.execute(
        select(preference)
        .where(preference.c.router_id == router_id)
        .order_by(preference.c.version.desc())
        .limit(1)
    ).one()
    return to_preferences(row)


def newest_snapshot(connection: Connection, router_id: int) -> SnapshotRecord | None:
    """Return the newest snapshot with a valid checksum from which the log is complete, or None."""
    snapshot = tables.snapshot
    gone = compacted(connection, router_id)
    rows = connection.execute(
        select(snapshot)
        .where(
            snapshot.c.router_id == router_id,
            snapshot.c.learned >= gone.n_feedback,
            snapshot.c.decided >= gone.n_decisions,
        )
        .order_by(snapshot.c.learned.desc(), snapshot.c.decided.desc())
    )
    for row in rows:
        if hashlib.sha256(row.blob).digest() == row.sha256:
            rows.close()
            return SnapshotRecord(Position(row.learned, row.decided), row.blob, row.recorded_us)
    return None


def log_end(connection: Connection, router_id: int) -> Position:
    """Return where the journal ends; both numbers are read at one moment."""
    row = connection.execute(_LOG_END, {"router_id": router_id}).one()
    return Position(max(row[0] or 0, row[2]), max(row[1] or 0, row[3]))


def compacted(connection: Connection, router_id: int) -> Position:
    """Return the compaction horizon: the log is incomplete up to this position."""
    return Position(*connection.execute(_COMPACTED, {"router_id": router_id}).one())
