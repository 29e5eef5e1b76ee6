"""Erases personal data from a log without changing its sums."""

from collections.abc import Sequence

from sqlalchemy import Connection, delete, select, update

from banditroute.errors import StoreError
from banditroute.store.schema import tables
from banditroute.store.sql.read import compacted


def erase(connection: Connection, router_id: int, bodies: Sequence[bytes]) -> None:
    """Blank the features, expectations and outcomes of these decisions, and drop every snapshot.

    Their feedback was retracted before, so its sum is zero. It is replaced by zeros, so a replay ends at the same
    sums. A snapshot taken between the feedback and its retraction would not match that replay. The snapshot at the
    compaction horizon is older than all of these decisions, and is kept.

    Raises:
        StoreError: for decisions before the compaction horizon, whose sums that snapshot contains; nothing was
            erased.
    """
    horizon = compacted(connection, router_id)
    _check_all_behind(connection, router_id, bodies, horizon.n_decisions)
    decision, feedback = tables.decision, tables.feedback
    for body in bodies:
        here = (decision.c.router_id == router_id) & (decision.c.body == body)
        row = connection.execute(select(decision.c.features).where(here)).first()
        if row is None:
            continue
        blank = {"mean": b"", "width": b"", "draw_key": None, "session": None, "cohort": None}
        connection.execute(update(decision).where(here).values(features=bytes(len(row.features)), **blank))
        of_decision = (feedback.c.router_id == router_id) & (feedback.c.body == body)
        for each in connection.execute(select(feedback).where(of_decision)).all():
            connection.execute(
                update(feedback)
                .where(feedback.c.feedback_id == each.feedback_id)
                .values(
                    grid_values=_zeros(each.grid_values),
                    grid_previous=_zeros(each.grid_previous),
                    outcomes="{}",
                    payload=bytes(16),
                )
            )
        report = tables.report.c
        connection.execute(delete(tables.report).where(report.router_id == router_id, report.body == body))
    snapshot = tables.snapshot.c
    is_base = (snapshot.learned == horizon.n_feedback) & (snapshot.decided == horizon.n_decisions)
    connection.execute(delete(tables.snapshot).where(snapshot.router_id == router_id, ~is_base))


def _check_all_behind(connection: Connection, router_id: int, bodies: Sequence[bytes], decided: int) -> None:
    decision = tables.decision.c
    for body in bodies if decided else ():
        number = connection.scalar(
            select(decision.decided).where(decision.router_id == router_id, decision.body == body)
        )
        if number is not None and number <= decided:
            raise StoreError(
                f"decision number {number} is older than the compaction horizon: its outcomes were retracted, "
                f"and its features are erased by the next 'banditroute db compact'"
            )


def _zeros(values: bytes | None) -> bytes | None:
    return None if values is None else bytes(len(values))
