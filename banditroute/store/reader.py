"""Reads one router's rows back as records."""

import hashlib
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Engine, Select, and_, bindparam, func, select

from banditroute.arms import Price
from banditroute.records import (
    ArmRecord,
    DecisionRecord,
    FeedbackRecord,
    Position,
    PreferencesRecord,
    SnapshotRecord,
)
from banditroute.store import tables
from banditroute.store.codec import (
    DECISION_COLUMNS,
    FEEDBACK_COLUMNS,
    ArmIds,
    to_arm,
    to_decision,
    to_feedback,
    to_preferences,
)
from banditroute.store.engine import translated
from banditroute.store.order import as_lived

CHUNK = 2048
"""Rows to a query: each is its own short transaction, so that a slow reader holds nothing up."""

_DECISIONS = select(*(tables.decision.c[name] for name in DECISION_COLUMNS)).where(
    tables.decision.c.router_id == bindparam("router_id")
)
_FEEDBACK = (
    select(
        *(tables.feedback.c[name] for name in FEEDBACK_COLUMNS),
        tables.decision.c.features,
        tables.decision.c.epoch,
    )
    .join(
        tables.decision,
        and_(
            tables.decision.c.router_id == tables.feedback.c.router_id,
            tables.decision.c.body == tables.feedback.c.body,
        ),
    )
    .where(tables.feedback.c.router_id == bindparam("router_id"))
)


def _slice(query: Select[Any], number: Any) -> Select[Any]:
    return query.where(number > bindparam("behind"), number <= bindparam("up_to")).order_by(number).limit(CHUNK)


_DECISION_SLICE = _slice(_DECISIONS, tables.decision.c.decided)
_FEEDBACK_SLICE = _slice(_FEEDBACK, tables.feedback.c.learned)
_DECISION = _DECISIONS.where(tables.decision.c.body == bindparam("body"))
_FEEDBACK_OF = _FEEDBACK.where(
    tables.feedback.c.body == bindparam("body"), tables.feedback.c.learned.is_not(None)
).order_by(tables.feedback.c.learned)


class LogReader:
    """The log of one router, streamed or by decision."""

    def __init__(self, engine: Engine, router_id: int) -> None:
        self._engine = engine
        self._router_id = router_id

    def events(self, after: Position) -> Iterator[DecisionRecord | FeedbackRecord]:
        """Everything between ``after`` and the end at the time of the call, as it was lived."""
        with translated("reading the log"), self._engine.begin() as connection:
            end = log_end(connection, self._router_id)
        return as_lived(self._decisions(after.decided, end.decided), self._feedback(after.learned, end.learned))

    def decision(self, body: bytes) -> tuple[DecisionRecord, tuple[FeedbackRecord, ...]] | None:
        """One decision with its feedback in order."""
        wanted = {"router_id": self._router_id, "body": body}
        with translated("reading a decision"), self._engine.begin() as connection:
            row = connection.execute(_DECISION, wanted).first()
            if row is None:
                return None
            arms = arm_ids(connection, self._router_id)
            feedback = connection.execute(_FEEDBACK_OF, wanted).all()
        return to_decision(row, arms), tuple(to_feedback(each, arms) for each in feedback)

    def _decisions(self, behind: int, end: int) -> Iterator[DecisionRecord]:
        while behind < end:
            rows, arms = self._chunk(_DECISION_SLICE, behind, end)
            if not rows:
                return
            for row in rows:
                yield to_decision(row, arms)
            behind = rows[-1].decided

    def _feedback(self, behind: int, end: int) -> Iterator[FeedbackRecord]:
        while behind < end:
            rows, arms = self._chunk(_FEEDBACK_SLICE, behind, end)
            if not rows:
                return
            for row in rows:
                yield to_feedback(row, arms)
            behind = rows[-1].learned

    def _chunk(self, query: Select[Any], behind: int, up_to: int) -> tuple[Any, ArmIds]:
        wanted = {"router_id": self._router_id, "behind": behind, "up_to": up_to}
        with translated("reading the log"), self._engine.begin() as connection:
            return connection.execute(query, wanted).all(), arm_ids(connection, self._router_id)


def arm_ids(connection: Connection, router_id: int) -> ArmIds:
    """The arms of a router, by name."""
    rows = connection.execute(
        select(tables.arm.c.name, tables.arm.c.arm_id).where(tables.arm.c.router_id == router_id)
    )
    return ArmIds({row.name: row.arm_id for row in rows})


def arm_records(connection: Connection, router_id: int) -> tuple[ArmRecord, ...]:
    """The arms of a router, in the order in which they were first added, at the price last recorded."""
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


def price_history(connection: Connection, router_id: int) -> dict[str, list[tuple[int, Price]]]:
    """All prices of every arm and since when they count, oldest first."""
    price = tables.price.c
    query = (
        select(tables.arm.c.name, price.effective_us, price.input, price.output)
        .join(tables.price, price.arm_id == tables.arm.c.arm_id)
        .where(tables.arm.c.router_id == router_id)
        .order_by(price.effective_us)
    )
    history: dict[str, list[tuple[int, Price]]] = {}
    for row in connection.execute(query):
        history.setdefault(row.name, []).append((row.effective_us, Price(input=row.input, output=row.output)))
    return history


def latest_preferences(connection: Connection, router_id: int) -> PreferencesRecord:
    """The preferences of the highest version."""
    preference = tables.preference
    row = connection.execute(
        select(preference)
        .where(preference.c.router_id == router_id)
        .order_by(preference.c.version.desc())
        .limit(1)
    ).one()
    return to_preferences(row)


def newest_snapshot(connection: Connection, router_id: int) -> SnapshotRecord | None:
    """The newest snapshot whose checksum is right; those that rotted are passed over, for the log has it all."""
    snapshot = tables.snapshot
    rows = connection.execute(
        select(snapshot)
        .where(snapshot.c.router_id == router_id)
        .order_by(snapshot.c.learned.desc(), snapshot.c.decided.desc())
    )
    for row in rows:
        if hashlib.sha256(row.blob).digest() == row.sha256:
            rows.close()
            return SnapshotRecord(Position(row.learned, row.decided), row.blob, row.recorded_us)
    return None


def log_end(connection: Connection, router_id: int) -> Position:
    """How much was learned and decided."""
    learned = select(func.max(tables.feedback.c.learned)).where(tables.feedback.c.router_id == router_id)
    decided = select(func.max(tables.decision.c.decided)).where(tables.decision.c.router_id == router_id)
    return Position(connection.scalar(learned) or 0, connection.scalar(decided) or 0)
