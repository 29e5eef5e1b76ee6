"""Erasure of personal data from a log; its sums stay consistent."""

from collections.abc import Sequence

from sqlalchemy import Connection, delete, select, update

from banditroute.errors import StoreError
from banditroute.store.schema import tables
from banditroute.store.sql.read import compacted


def erase(connection: Connection, router_id: int, bodies: Sequence[bytes]) -> None:
    """Blank the features, expectations and outcomes of these decisions, and drop every snapshot.

    Their feedback was taken back before, so that it adds up to nothing: with zeros in its place it still does,
    and a replay ends at the same sums. A snapshot from between the two would not go on to them. The one at the
    end of what was compacted is from before all of them, and stays.

    Raises:
        StoreError: for decisions from before that, whose sums it holds; nothing was erased.
    """
    gone = compacted(connection, router_id)
    _check_all_behind(connection, router_id, bodies, gone.n_decisions)
    decision, feedback = tables.decision, tables.feedback
    for body in bodies:
        here = (decision.c.router_id == router_id) & (decision.c.body == body)
        row = connection.execute(select(decision.c.features).where(here)).first()
        if row is None:
            continue
        nothing = {"mean": b"", "width": b"", "draw_key": None, "session": None, "cohort": None}
        connection.execute(update(decision).where(here).values(features=bytes(len(row.features)), **nothing))
        said = (feedback.c.router_id == router_id) & (feedback.c.body == body)
        for each in connection.execute(select(feedback).where(said)).all():
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
    is_base = (snapshot.learned == gone.n_feedback) & (snapshot.decided == gone.n_decisions)
    connection.execute(delete(tables.snapshot).where(snapshot.router_id == router_id, ~is_base))


def _check_all_behind(connection: Connection, router_id: int, bodies: Sequence[bytes], decided: int) -> None:
    decision = tables.decision.c
    for body in bodies if decided else ():
        number = connection.scalar(
            select(decision.decided).where(decision.router_id == router_id, decision.body == body)
        )
        if number is not None and number <= decided:
            raise StoreError(
                f"decision number {number} is from before the horizon of the log: its outcomes were taken out, "
                f"and its features go with the next 'banditroute db compact'"
            )


def _zeros(values: bytes | None) -> bytes | None:
    return None if values is None else bytes(len(values))
