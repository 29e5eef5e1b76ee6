"""The transaction that appends to one router's log, merged with what other workers stored before."""

import logging
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Any, TypeAlias

from sqlalchemy import (
    BindParameter,
    CompoundSelect,
    Connection,
    bindparam,
    delete,
    exists,
    func,
    literal,
    null,
    select,
    union_all,
)

from banditroute.core.log import DecisionRecord, FeedbackRecord, LogRecord, ReportRecord
from banditroute.core.revisions import Revision, rebase
from banditroute.errors import (
    BanditRouteError,
    DecisionExpiredError,
    FeedbackConflictError,
    StoreError,
    StoreUnavailableError,
)
from banditroute.store.base import ReportWaitsError, Resolve
from banditroute.store.databases.base import Database, WriteConflict
from banditroute.store.schema import tables
from banditroute.store.semantics.limits import Limits
from banditroute.store.semantics.merge import (
    DAY_US,
    NEWEST,
    REPORTS_WAITING,
    TOO_MANY,
    WAITING_DAYS,
)
from banditroute.store.semantics.results import WriteResult, WriteResults, combine
from banditroute.store.sql.encode import (
    REVISION_COLUMNS,
    ArmIds,
    decision_row,
    feedback_row,
    report_row,
    to_report,
)
from banditroute.store.sql.read import arm_ids, limits_of, read_decision
from banditroute.store.sql.restored import is_lost
from banditroute.store.sql.rows import Rows
from banditroute.store.sql.settings import write_settings

REPORTS_AT_ONCE = 500

LOST = (
    "the decision was made between a backup and its restoration, and the restored database does not hold it; "
    "feedback not recorded"
)

_Appended: TypeAlias = tuple[DecisionRecord | FeedbackRecord, str | None]
"""A record to insert, and the worker that has already applied it; None if every worker must still read it."""

_log = logging.getLogger("banditroute")

_RESOLVABLE = (
    select(tables.report)
    .join(
        tables.decision,
        (tables.decision.c.body == tables.report.c.body)
        & tables.of_router(tables.decision, tables.report.c.router_id),
    )
    .where(tables.report.c.router_id == bindparam("router_id"))
    .order_by(tables.report.c.report_id)
    .limit(literal(REPORTS_AT_ONCE))
)


def _look_up(database: Database) -> CompoundSelect[Any]:
    decision, feedback = tables.decision.c, tables.feedback.c
    router_id: BindParameter[int] = bindparam("router_id")
    return union_all(
        select(decision.body, *(null().label(name) for name in REVISION_COLUMNS[1:])).where(
            tables.of_router(tables.decision, router_id), database.among(decision.body, "bodies")
        ),
        select(*(feedback[name] for name in REVISION_COLUMNS)).where(
            tables.of_router(tables.feedback, router_id), database.among(feedback.body, "bodies")
        ),
    )


class _Stored:
    """What is stored for some decisions: which of them exist, and the revisions of their feedback."""

    def __init__(self) -> None:
        self.decisions: set[bytes] = set()
        self._revisions: dict[tuple[bytes, str], list[Revision]] = {}

    def add(self, key: tuple[bytes, str], revision: Revision) -> None:
        self._revisions.setdefault(key, []).append(revision)

    def merge(self, record: FeedbackRecord) -> Sequence[FeedbackRecord]:
        """Return the revisions that a record adds; from now on they count as stored."""
        key = record.decision_key, record.group
        new = rebase(self._revisions.get(key, ()), record)
        for each in new:
            self.add(key, each)
        return new


class Appender:
    """Appends the records of one worker, without numbers, to the log of one router."""

    def __init__(self, database: Database, router_id: int, worker: str, resolve: Resolve) -> None:
        self._database = database
        self._router_id = router_id
        self._worker = worker
        self._resolve = resolve
        self._query = _look_up(database)
        self._arms = ArmIds({})
        self._limits: Limits | None = None
        self.refused_reports = 0
        self.expired = 0

    def forget(self) -> None:
        """Drop what was cached: the transaction that read it failed."""
        self._arms, self._limits = ArmIds({}), None

    def append(self, connection: Connection, records: Sequence[LogRecord]) -> WriteResults:
        """Insert the rows of the records; arms and settings come before the rows that refer to them.

        Raises:
            StoreError: for records that contradict the log: an unknown arm, features of another dimension.
            WriteConflict: if another worker stored the same revision in the meantime.
        """
        for record in records:
            if not isinstance(record, DecisionRecord | FeedbackRecord | ReportRecord):
                write_settings(connection, self._router_id, record)
                self.forget()
        results: dict[int, WriteResult] = {}
        self._check(connection, records)
        keys = {record.decision_key for record in records if isinstance(record, FeedbackRecord | ReportRecord)}
        stored = self._look_up(connection, keys)
        new: list[_Appended] = []
        for index, record in enumerate(records):
            if isinstance(record, DecisionRecord):
                stored.decisions.add(record.decision_key)
                new.append((record, self._worker))
            elif isinstance(record, FeedbackRecord):
                try:
                    added = stored.merge(record)
                except BanditRouteError as error:
                    results[index] = error
                    continue
                # A rebased record differs from the one its worker applied, so that worker must read it again.
                worker = self._worker if added == (record,) else None
                new += [(each, worker) for each in added]
                if not added:
                    results[index] = "duplicate"
                elif record.decision_key not in stored.decisions:
                    results[index] = "pending"
        self._insert(connection, new)
        for index, record in enumerate(records):
            if isinstance(record, ReportRecord):
                results[index] = self._report(connection, record, known=record.decision_key in stored.decisions)
        return results

    def resolve_waiting(self, connection: Connection) -> None:
        """Learn from waiting reports whose decisions have arrived; refused reports are counted and deleted.

        Reports go on waiting while the router is still reading its log.
        """
        resolved: list[int] = []
        for row in connection.execute(_RESOLVABLE, {"router_id": self._router_id}).all():
            try:
                result: WriteResult = self._learn(connection, to_report(row))
            except WriteConflict:
                raise
            except ReportWaitsError:
                continue
            except StoreUnavailableError:
                return
            except Exception as error:  # noqa: BLE001  (one bad report must not block the others permanently)
                result = error
            resolved.append(row.report_id)
            if isinstance(result, Exception):
                self.refused_reports += 1
                _log.error("a waiting report was refused when its decision arrived: %s", type(result).__name__)
        if resolved:
            connection.execute(delete(tables.report).where(tables.report.c.report_id.in_(resolved)))

    def expire(self, connection: Connection) -> None:
        """Delete feedback that has waited too long for its decision, which is lost or was never stored.

        The age is measured against the newest decisions, because all times come from the routers' clocks; against
        the oldest time of the last 1,000, so that a clock that was ahead for a moment deletes nothing.
        """
        decision = tables.decision.c
        last = (
            select(decision.created_us)
            .where(decision.router_id == self._router_id, decision.decided.is_not(None))
            .order_by(decision.decided.desc())
            .limit(literal(NEWEST))
            .subquery()
        )
        newest = connection.scalar(select(func.min(last.c.created_us)))
        if newest is None:
            return
        gone = 0
        for table in (tables.report, tables.feedback):
            old = [table.c.router_id == self._router_id, table.c.received_us < newest - WAITING_DAYS * DAY_US]
            if table is tables.feedback:
                old.append(table.c.learned.is_(None))
            here = exists().where(
                decision.body == table.c.body, tables.of_router(tables.decision, table.c.router_id)
            )
            gone += connection.execute(delete(table).where(*old, ~here)).rowcount
        if gone:
            self.expired += gone
            _log.warning(
                "%d feedbacks were deleted: their decisions did not arrive within %d days", gone, WAITING_DAYS
            )

    def _report(self, connection: Connection, report: ReportRecord, *, known: bool) -> WriteResult:
        if known:
            with suppress(ReportWaitsError):
                return self._learn(connection, report)
        elif is_lost(connection, report.decision_key):
            return DecisionExpiredError(LOST, code="decision.lost")
        waiting = tables.report.c
        row = report_row(report, self._router_id)
        mine = select(waiting.payload).where(
            waiting.router_id == self._router_id, waiting.body == report.decision_key
        )
        stored = set(connection.scalars(mine))
        if len(stored) >= REPORTS_WAITING and row["payload"] not in stored:
            return FeedbackConflictError(TOO_MANY, code="feedback.waiting")
        self._database.insert(connection, tables.report, [row])
        return "pending"

    def _learn(self, connection: Connection, report: ReportRecord) -> WriteResult:
        found = read_decision(connection, self._router_id, report.decision_key)
        if found is None:
            return DecisionExpiredError(
                "the store cannot read the decision of this feedback any more; feedback not recorded",
                code="decision.unreadable",
            )
        try:
            records = self._resolve(*found, report)
            self._check(connection, records)
            stored = self._look_up(connection, {report.decision_key})
            merged = [stored.merge(record) for record in records]
        except StoreUnavailableError:
            raise
        except BanditRouteError as error:
            return error
        # Without a worker, so that every worker reads it, including the one that reported it.
        self._insert(connection, [(record, None) for new in merged for record in new])
        return combine("recorded" if new else "duplicate" for new in merged) if records else "duplicate"

    def _insert(self, connection: Connection, records: Sequence[_Appended]) -> None:
        if not records:
            return
        decisions, feedback = [], []
        arrivals = self._database.arrivals(connection, len(records))
        for arrival, (record, worker) in zip(arrivals, records, strict=True):
            if isinstance(record, DecisionRecord):
                row = decision_row(record, self._router_id, self._arms)
                decisions.append(row)
            else:
                row = feedback_row(record, self._router_id, self._arms)
                feedback.append(row)
            row["arrival"], row["worker"] = arrival, worker
        if decisions:
            self._database.insert(connection, tables.decision, decisions)
        if feedback:
            # All workers insert in the same order, so that two that store the same keys cannot deadlock.
            feedback.sort(key=_identity)
            if self._database.insert(connection, tables.feedback, feedback) < len(feedback):
                raise WriteConflict

    def _look_up(self, connection: Connection, bodies: Collection[bytes]) -> _Stored:
        stored = _Stored()
        if not bodies:
            return stored
        rows = connection.execute(self._query, {"router_id": self._router_id, "bodies": list(bodies)}).all()
        if not all(row.arm_id is None or row.arm_id in self._arms.names for row in rows):
            self._arms = arm_ids(connection, self._router_id)
        read = Rows(self._arms, self._known_limits(connection))
        # SQLite would store a revision that is not an integer; skip such rows.
        for row in sorted((row for row in rows if isinstance(row.revision, int)), key=_revision):
            stored.add((row.body, row.objective_group), read.revision(row))
        stored.decisions.update(row.body for row in rows if row.revision is None)
        return stored

    def _check(self, connection: Connection, records: Sequence[LogRecord]) -> None:
        """Check that the records name only arms of the router, and are within its limits."""
        limits = self._known_limits(connection)
        named: set[str] = set()
        for record in records:
            limits.check(record)
            if isinstance(record, DecisionRecord | FeedbackRecord):
                named.add(record.arm)
            if isinstance(record, DecisionRecord):
                named.update(record.arms)
        if not named <= self._arms.ids.keys():
            self._arms = arm_ids(connection, self._router_id)
        unknown = sorted(named - self._arms.ids.keys())
        if unknown:
            raise StoreError(f"arm {unknown[0]!r:.80} was never added to this router; add it first")

    def _known_limits(self, connection: Connection) -> Limits:
        if self._limits is None or self._limits.length is None:
            self._limits = limits_of(connection, self._router_id)
        return self._limits


def _identity(row: "dict[str, object]") -> tuple[object, ...]:
    return row["body"], row["objective_group"], row["revision"]


def _revision(row: object) -> int:
    return int(row.revision)  # type: ignore[attr-defined]  # a database row
