"""Compaction: deletes the old part of a log and keeps its exact sums."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, exists, func, or_, select, update

from banditroute.core.log import Position, StateKey
from banditroute.core.spec import RouterSpec
from banditroute.errors import InvalidArgumentError, StoreError
from banditroute.store.base import Fold
from banditroute.store.databases.base import Database
from banditroute.store.maintenance.verify import replayed
from banditroute.store.maintenance.views import looking_at
from banditroute.store.schema import tables
from banditroute.store.sql.base_sums import write_bases
from banditroute.store.sql.encode import to_spec
from banditroute.store.sql.read import compacted

DAY_US = 86_400_000_000
SWEPT = 1_000
"""Decisions per transaction, so that workers can write between transactions."""

Agrees = Callable[[bytes, Mapping[StateKey, bytes]], bool]
"""Tells whether a snapshot matches these sums; raises SnapshotCorruptError for a damaged one."""


@dataclass(frozen=True, slots=True)
class Compaction:
    """The part of one router's log that was deleted, or would be.

    Attributes:
        name, tenant: Whose.
        up_to: How far the log is gone now.
        decisions, feedback: How many rows that were.
    """

    name: str
    tenant: str
    up_to: Position
    decisions: int
    feedback: int


def compact(
    url: str,
    fold_for: Callable[[RouterSpec], Fold],
    agrees: Agrees,
    *,
    older_than_days: float,
    now_us: int,
    dry_run: bool = False,
) -> list[Compaction]:
    """Delete decisions and feedback up to the newest valid snapshot older than ``older_than_days``.

    A decision with feedback after that snapshot, or with waiting feedback, is kept with all its feedback. No row
    is deleted before the snapshot is verified against the log. The command may be stopped at any time and run
    again.

    Raises:
        InvalidArgumentError: if there is no such database, or ``older_than_days`` is below 1.
        StoreError: if a snapshot contradicts the log, or another process compacts; then nothing is deleted.
    """
    if not older_than_days >= 1:
        raise InvalidArgumentError(f"older_than_days = {older_than_days} must be at least 1")
    cutoff_us = now_us - round(older_than_days * DAY_US)
    with looking_at(url) as database:
        with database.read("cannot compact") as connection:
            table = tables.router
            rows = connection.execute(select(table).order_by(table.c.tenant, table.c.name)).all()
        return [_compact(database, row, fold_for, agrees, cutoff_us, dry_run=dry_run) for row in rows]


def _compact(
    database: Database,
    row: Row[Any],
    fold_for: Callable[[RouterSpec], Fold],
    agrees: Agrees,
    cutoff_us: int,
    *,
    dry_run: bool,
) -> Compaction:
    router_id: int = row.router_id
    with database.read("cannot compact") as connection:
        database.hold_still(connection)
        gone = compacted(connection, router_id)
        found = _snapshot_before(connection, router_id, gone, cutoff_us)
        if found is not None:
            position, blob, horizon_us = found
            fold = fold_for(to_spec(row.tenant, row.name, row.dimension, row.spec))
            blobs, _ = replayed(connection, router_id, fold, gone.n_feedback, position.n_feedback)
            if not agrees(blob, blobs):
                raise StoreError(
                    f"the snapshot of router {row.name!r} at feedback {position.n_feedback} is not the sum of "
                    f"its log; nothing was deleted, run 'banditroute db verify'"
                )
        up_to = gone if found is None else found[0]
        if dry_run:
            return Compaction(row.name, row.tenant, up_to, *_count(database, connection, router_id, up_to))
    if found is not None:
        database.write(
            "log not compacted",
            lambda connection: _advance(connection, router_id, gone, position, horizon_us, blobs),
        )
    return Compaction(row.name, row.tenant, up_to, *_sweep(database, router_id, up_to))


def _snapshot_before(
    connection: Connection, router_id: int, gone: Position, cutoff_us: int
) -> tuple[Position, bytes, int] | None:
    """Return the newest valid snapshot to compact to: (position, blob, horizon [us]); None if there is none."""
    snapshot, decision = tables.snapshot.c, tables.decision.c
    rows = connection.execute(
        select(tables.snapshot)
        .where(
            snapshot.router_id == router_id,
            snapshot.recorded_us <= cutoff_us,
            snapshot.learned >= gone.n_feedback,
            snapshot.decided > gone.n_decisions,
        )
        .order_by(snapshot.learned.desc(), snapshot.decided.desc())
    )
    for row in rows.all():
        if hashlib.sha256(row.blob).digest() == row.sha256:
            last = connection.scalar(
                select(func.max(decision.created_us)).where(
                    decision.router_id == router_id, decision.decided <= row.decided
                )
            )
            return Position(row.learned, row.decided), row.blob, max(row.recorded_us, last or 0)
    return None


def _advance(
    connection: Connection,
    router_id: int,
    gone: Position,
    position: Position,
    horizon_us: int,
    blobs: Mapping[StateKey, bytes],
) -> None:
    """Record that no worker reads the log from before ``position``, from this commit on."""
    router, snapshot = tables.router.c, tables.snapshot.c
    moved = connection.execute(
        update(tables.router)
        .where(
            router.router_id == router_id,
            router.compacted_learned == gone.n_feedback,
            router.compacted_decided == gone.n_decisions,
        )
        .values(
            compacted_learned=position.n_feedback,
            compacted_decided=position.n_decisions,
            horizon_us=horizon_us,
            revision=router.revision + 1,
        )
    )
    # An erasure may have dropped the snapshot in the meantime, and changed the log.
    still = select(func.count()).where(
        snapshot.router_id == router_id,
        snapshot.learned == position.n_feedback,
        snapshot.decided == position.n_decisions,
    )
    if not (moved.rowcount and connection.scalar(still)):
        raise StoreError("another process changed the log at the same time; nothing was deleted, run it again")
    write_bases(connection, router_id, blobs)


def _has_later_feedback(up_to: Position) -> ColumnElement[bool]:
    """Return the condition that a decision has feedback after ``up_to``, or a waiting report."""
    decision, feedback, report = tables.decision.c, tables.feedback.c, tables.report.c
    later = exists().where(
        tables.of_router(tables.feedback, decision.router_id),
        feedback.body == decision.body,
        or_(feedback.learned.is_(None), feedback.learned > up_to.n_feedback),
    )
    waiting = exists().where(report.router_id == decision.router_id, report.body == decision.body)
    return or_(later.correlate(tables.decision), waiting.correlate(tables.decision))


def _count(database: Database, connection: Connection, router_id: int, up_to: Position) -> tuple[int, int]:
    """Count the decisions and feedbacks that :func:`_sweep` would delete."""
    behind = decisions = feedback_rows = 0
    while behind < up_to.n_decisions:
        behind, bodies = _deletable(connection, router_id, behind, up_to)
        decisions += len(bodies)
        of_these = select(func.count()).where(_feedback_on(database, router_id))
        feedback_rows += connection.scalar(of_these, {"bodies": bodies}) or 0
    return decisions, feedback_rows


def _sweep(database: Database, router_id: int, up_to: Position) -> tuple[int, int]:
    """Delete records that no worker reads any more; return how many decisions and feedbacks."""
    behind = decisions = feedback_rows = 0

    def delete_some(connection: Connection) -> tuple[int, int, int]:
        end, old = _deletable(connection, router_id, behind, up_to)
        if not old:
            return end, 0, 0
        bodies = {"bodies": old}
        of_these = _feedback_on(database, router_id)
        dropped = connection.execute(delete(tables.feedback).where(of_these), bodies).rowcount
        these = tables.of_router(tables.decision, router_id) & database.among(tables.decision.c.body, "bodies")
        connection.execute(delete(tables.decision).where(these), bodies)
        return end, len(old), dropped

    while behind < up_to.n_decisions:
        behind, *counts = database.write("log not compacted", delete_some)
        decisions, feedback_rows = decisions + counts[0], feedback_rows + counts[1]
    return decisions, feedback_rows


def _feedback_on(database: Database, router_id: int) -> ColumnElement[bool]:
    return tables.of_router(tables.feedback, router_id) & database.among(tables.feedback.c.body, "bodies")


def _deletable(connection: Connection, router_id: int, behind: int, up_to: Position) -> tuple[int, list[bytes]]:
    """Return how far one look from ``behind`` goes, and which decisions in it no worker reads any more.

    A look at a time, by their numbers: of a question about the whole log a planner without statistics makes one
    whose time grows with the square of it.
    """
    decision = tables.decision.c
    rows = connection.execute(
        select(decision.body, decision.decided, _has_later_feedback(up_to).label("kept"))
        .where(
            decision.router_id == router_id,
            decision.decided > behind,
            decision.decided <= up_to.n_decisions,
        )
        .order_by(decision.decided)
        .limit(SWEPT)
    ).all()
    return rows[-1].decided if rows else up_to.n_decisions, [row.body for row in rows if not row.kept]
