"""Read-only views of a database for the command line."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from banditroute.core.log import ArmRecord, DecisionRecord, FeedbackRecord, Position, PreferencesRecord
from banditroute.core.objectives import Objective
from banditroute.core.spec import RouterSpec
from banditroute.errors import InvalidArgumentError
from banditroute.store.databases.base import Database
from banditroute.store.databases.url import database_at
from banditroute.store.schema import tables
from banditroute.store.schema.version import check_version, found_version
from banditroute.store.sql.encode import to_spec
from banditroute.store.sql.read import (
    arm_ids,
    arm_records,
    latest_preferences,
    log_end,
    newest_snapshot,
    read_decision,
    read_router,
)


@dataclass(frozen=True, slots=True)
class ArmSummary:
    """One arm, and how often it was chosen.

    Attributes:
        record: Its current status and price.
        decisions: Number of decisions that chose it.
        share: The same, divided by all decisions of its router; 0 if there are none. [0, 1]
    """

    record: ArmRecord
    decisions: int
    share: float


@dataclass(frozen=True, slots=True)
class RouterSummary:
    """One router of a database.

    Attributes:
        name, tenant: As in its spec.
        dimension: Number of features without the intercept; None before the first vector.
        objectives: In order, with their units.
        is_clipped: Whether outcomes of the log may have been learned clipped to their bounds.
        arms: In the order in which they were added.
        preferences: The latest.
        decisions, feedback: Number of rows in the log.
        waiting: Number of feedbacks that are stored but not yet in the sums.
        last_decision_us: Time of the last decision [us]; None if there is none.
        snapshot: Position of the newest valid snapshot.
        database_bytes: Size of the whole database, shared with the other routers in it.
    """

    name: str
    tenant: str
    dimension: int | None
    objectives: tuple[Objective, ...]
    is_clipped: bool
    arms: tuple[ArmSummary, ...]
    preferences: PreferencesRecord
    decisions: int
    feedback: int
    waiting: int
    last_decision_us: int | None
    snapshot: Position | None
    database_bytes: int


def routers(url: str) -> list[RouterSummary]:
    """Return every router in the database at ``url``, ordered by tenant and name.

    Raises:
        InvalidArgumentError: if there is no such file, or it has none of this library's tables; creates nothing.
        SchemaVersionError: if its schema is not this library's.
    """
    with looking_at(url) as database, database.read("cannot read the routers") as connection:
        size = database.size(connection)
        table = tables.router
        rows = connection.execute(select(table).order_by(table.c.tenant, table.c.name)).all()
        specs = [to_spec(row.tenant, row.name, row.dimension, row.spec) for row in rows]
        return [_summary(connection, row.router_id, spec, size) for row, spec in zip(rows, specs, strict=True)]


def stored_spec(url: str, router: str, *, tenant: str = "") -> RouterSpec:
    """Return the stored shape of a router; raises as :func:`routers`, and for an unknown router."""
    with looking_at(url) as database, database.read("cannot read the router") as connection:
        return read_router(connection, router_id_of(connection, router, tenant), with_snapshot=False).spec


def find_decision(
    url: str, router: str, body: bytes, *, tenant: str = ""
) -> tuple[DecisionRecord, tuple[FeedbackRecord, ...]] | None:
    """Return one decision with its feedback, or None; raises as :func:`routers`, and for an unknown router."""
    with looking_at(url) as database, database.read("cannot read the decision") as connection:
        return read_decision(connection, router_id_of(connection, router, tenant), body)


@contextmanager
def looking_at(url: str) -> Iterator[Database]:
    """Open the database at ``url`` if it has this library's schema; raises as :func:`routers` does."""
    database = database_at(url)
    database.must_exist()
    try:
        with database.read(f"cannot read {database.name!r}") as connection:
            version = found_version(connection)
        if version is None:
            raise InvalidArgumentError(f"{database.name!r} holds no router")
        check_version(version)
        yield database
    finally:
        database.dispose()


def router_id_of(connection: Connection, name: str, tenant: str) -> int:
    """Return the number of a router in its database; raises InvalidArgumentError if there is none."""
    table = tables.router
    number = connection.scalar(select(table.c.router_id).where(table.c.tenant == tenant, table.c.name == name))
    if number is None:
        raise InvalidArgumentError(f"no router {name!r} in this database")
    return int(number)


def _summary(connection: Connection, router_id: int, spec: RouterSpec, size: int) -> RouterSummary:
    decision, feedback = tables.decision.c, tables.feedback.c
    chosen = _chosen(connection, router_id)
    total = sum(chosen.values())
    end = log_end(connection, router_id)
    last = select(decision.created_us).where(decision.router_id == router_id, decision.decided == end.n_decisions)
    snapshot = newest_snapshot(connection, router_id)
    counts = select(func.count(), func.count(feedback.learned)).where(feedback.router_id == router_id)
    stored, learned = connection.execute(counts).one()
    return RouterSummary(
        name=spec.name,
        tenant=spec.tenant,
        dimension=spec.dimension,
        objectives=spec.objectives,
        is_clipped=spec.is_clipped,
        arms=tuple(
            ArmSummary(record, count, count / total if total else 0.0)
            for record in arm_records(connection, router_id)
            for count in (chosen.get(record.arm.name, 0),)
        ),
        preferences=latest_preferences(connection, router_id),
        decisions=total,
        feedback=stored,
        waiting=stored - learned,
        last_decision_us=connection.scalar(last),
        snapshot=None if snapshot is None else snapshot.position,
        database_bytes=size,
    )


def _chosen(connection: Connection, router_id: int) -> Mapping[str, int]:
    decision = tables.decision.c
    names = arm_ids(connection, router_id).names
    counts = connection.execute(
        select(decision.arm_id, func.count()).where(decision.router_id == router_id).group_by(decision.arm_id)
    )
    return {names[number]: count for number, count in counts}
