"""The store in memory."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

import numpy as np

from banditroute.core.arrays import RowArray
from banditroute.core.health import StoreHealth
from banditroute.core.log import (
    ArmRecord,
    DecisionRecord,
    FeedbackRecord,
    LogRecord,
    Position,
    PreferencesRecord,
    ReportRecord,
    SecretRecord,
    SnapshotRecord,
    SpaceRecord,
)
from banditroute.core.price_history import DatedPrice, with_price
from banditroute.core.receipt import ReceiptStatus
from banditroute.core.revisions import rebase
from banditroute.core.spec import RouterSpec, StoredRouter
from banditroute.errors import BanditRouteError, FeedbackConflictError, RouterMismatchError, StoreError
from banditroute.store.base import START, Fold, Resolve
from banditroute.store.semantics.compatibility import reconcile_spec
from banditroute.store.semantics.limits import Limits
from banditroute.store.semantics.merge import (
    DAY_US,
    NEWEST,
    REPORTS_WAITING,
    TOO_MANY,
    WAITING_DAYS,
    merge_arm,
)
from banditroute.store.semantics.order import merge_by_number
from banditroute.store.semantics.results import WriteResult, combine, refused


@dataclass(slots=True, eq=False)
class _Entry:
    decision: DecisionRecord
    feedback: list[FeedbackRecord] = field(default_factory=list)


class MemoryStore:
    """Keeps the records in lists: the reference for every other store, and the fastest.

    It has one worker. Records within the router's limits are stored as they are, and no state is kept beside the
    log. A closed store can be opened again by the same router and continues where it stopped.
    """

    is_local = True
    is_shared = False

    def __init__(self) -> None:
        self._router: StoredRouter | None = None
        self._resolve: Resolve | None = None
        self._open = False
        self._lock = threading.Lock()
        self._decisions: list[DecisionRecord] = []
        self._feedback: list[FeedbackRecord] = []
        self._reported: set[int] = set()
        self._entries: dict[bytes, _Entry] = {}
        self._waiting: dict[bytes, list[FeedbackRecord | ReportRecord]] = {}
        self._expired = 0
        self._done: dict[ReceiptStatus, Future[ReceiptStatus]] = {}

    def open(
        self,
        spec: RouterSpec,
        arms: Sequence[ArmRecord],
        preferences: PreferencesRecord,
        *,
        secret: bytes,
        fold: Fold,  # noqa: ARG002  (a store without state folds nothing)
        resolve: Resolve,
    ) -> StoredRouter:
        """Create the router, or return what was appended since it was created."""
        router = self._router
        if router is None:
            prices = {record.arm.name: _priced((), record) for record in arms if record.arm.price is not None}
            router = StoredRouter(spec, secret, tuple(arms), preferences, None, START, created=True, prices=prices)
        elif (router.spec.name, router.spec.tenant) != (spec.name, spec.tenant):
            raise RouterMismatchError(f"this memory store holds router {router.spec.name!r}, not {spec.name!r}")
        else:
            router = replace(router, spec=reconcile_spec(router.spec, spec), end=self.end(), created=False)
        self._router, self._resolve, self._open = router, resolve, True
        self._limits = Limits.of(router.spec)
        return router

    @property
    def backlog(self) -> int:
        """Always 0: there is no writer thread."""
        return 0

    def append(self, records: Sequence[LogRecord]) -> "Future[ReceiptStatus]":
        """Keep the records; the future is already done."""
        if not self._open:
            return refused()
        with self._lock:
            result = self._outside(records) or combine([self._take(record) for record in records])
        if isinstance(result, Exception):
            failed: Future[ReceiptStatus] = Future()
            failed.set_exception(result)
            return failed
        if result not in self._done:
            self._done[result] = Future()
            self._done[result].set_result(result)
        return self._done[result]

    def flush(self) -> None:
        """Do nothing: no record waits in memory."""

    def end(self) -> Position:
        """Return the end of the log."""
        with self._lock:
            return Position(len(self._feedback), len(self._decisions))

    def events(
        self, after: Position = START, up_to: Position | None = None, *, others: bool = False
    ) -> Iterator[DecisionRecord | FeedbackRecord]:
        """Replay what is behind ``after``; of others there is only what came from reports."""
        end = self.end() if up_to is None else up_to
        feedback = self._feedback[after.n_feedback : end.n_feedback]
        if others:
            return iter([record for record in feedback if record.number in self._reported])
        return merge_by_number(self._decisions[after.n_decisions : end.n_decisions], feedback)

    def changed(self, revision: int) -> StoredRouter | None:
        """Return the current settings, if any changed since."""
        router = self._router
        if router is None or revision == router.revision:
            return None
        return replace(router, snapshot=None, end=self.end(), created=False)

    def decision(self, body: bytes) -> tuple[DecisionRecord, tuple[FeedbackRecord, ...]] | None:
        """One decision with its feedback, or None."""
        with self._lock:
            entry = self._entries.get(body)
            return None if entry is None else (entry.decision, tuple(entry.feedback))

    def decisions_missing_outcome(self, group: str, *, since_us: int) -> list[tuple[int, bytes]]:
        """Decisions without learned feedback of a group."""
        with self._lock:
            found = [
                (entry.decision.created_us, body)
                for body, entry in self._entries.items()
                if entry.decision.created_us >= since_us
                and not any(each.group == group and each.values is not None for each in entry.feedback)
            ]
        # Clocks may go back, and those of two routers differ.
        return sorted(found, key=lambda each: each[0])

    def decisions_with_source(self, source: str) -> list[bytes]:
        """Decisions with feedback of a source."""
        with self._lock:
            sources_of = {body: [each.source for each in entry.feedback] for body, entry in self._entries.items()}
        return [body for body, sources in sources_of.items() if source in sources]

    def erase(self, bodies: Sequence[bytes]) -> None:
        """Blank what is personal in these decisions, and drop the snapshot."""
        with self._lock:
            for entry in (self._entries[body] for body in bodies if body in self._entries):
                entry.decision = self._decisions[entry.decision.number - 1] = _blank(entry.decision)
                row = entry.decision.row
                entry.feedback = [_said_nothing(each, row) for each in entry.feedback]
                for each in entry.feedback:
                    self._feedback[each.number - 1] = each
            assert self._router is not None
            self._router = replace(self._router, snapshot=None)

    def health(self) -> StoreHealth:
        """Return the number of records that wait for their decision."""
        waiting = sum(map(len, self._waiting.values()))
        return StoreHealth(
            database="memory",
            state="healthy" if self._open else "closed",
            available=self._open,
            reports=waiting,
            expired=self._expired,
        )

    def close(self) -> None:
        """Refuse further records."""
        self._open = False

    def _outside(self, records: Sequence[LogRecord]) -> StoreError | None:
        """Return why no record is accepted."""
        try:
            for record in records:
                self._limits.check(record)
        except StoreError as error:
            return error
        return None

    def _take(self, record: LogRecord) -> WriteResult:
        match record:
            case DecisionRecord():
                return self._decide(record)
            case FeedbackRecord():
                return self._learn(record)
            case ReportRecord():
                return self._report(record)
            case _:
                return self._stand(record)

    def _decide(self, record: DecisionRecord) -> WriteResult:
        if record.decision_key in self._entries:
            return "recorded"
        number, n_feedback = len(self._decisions) + 1, len(self._feedback)
        if (record.number, record.n_feedback) != (number, n_feedback):
            record = replace(record, number=number, n_feedback=n_feedback)
        self._decisions.append(record)
        self._entries[record.decision_key] = _Entry(record)
        if self._waiting:
            newest_us = min(each.created_us for each in self._decisions[-NEWEST:])
            self._expire(newest_us - WAITING_DAYS * DAY_US)
        for waiting in self._waiting.pop(record.decision_key, ()):
            self._learn(waiting) if isinstance(waiting, FeedbackRecord) else self._report(waiting)
        return "recorded"

    def _expire(self, before_us: int) -> None:
        """Delete records that have waited too long; the oldest are in front."""
        while self._waiting:
            body = next(iter(self._waiting))
            if max(each.received_us for each in self._waiting[body]) >= before_us:
                return
            self._expired += len(self._waiting.pop(body))

    def _learn(self, record: FeedbackRecord) -> WriteResult:
        entry = self._entries.get(record.decision_key)
        if entry is None:
            self._waiting.setdefault(record.decision_key, []).append(record)
            return "pending"
        stored = [each for each in entry.feedback if each.group == record.group]
        try:
            new = rebase(stored, record)
        except BanditRouteError as error:
            return error
        for each in new:
            number = len(self._feedback) + 1
            kept = each if each.number == number else replace(each, number=number)
            self._feedback.append(kept)
            entry.feedback.append(kept)
            if each is not record:
                self._reported.add(number)
        return "recorded" if new else "duplicate"

    def _report(self, report: ReportRecord) -> WriteResult:
        entry = self._entries.get(report.decision_key)
        if entry is None:
            waiting = self._waiting.setdefault(report.decision_key, [])
            if not any(_say_the_same(report, other) for other in waiting):
                if len(waiting) >= REPORTS_WAITING:
                    return FeedbackConflictError(TOO_MANY, code="feedback.waiting")
                waiting.append(report)
            return "pending"
        first = len(self._feedback) + 1
        assert self._resolve is not None
        try:
            results = [self._learn(r) for r in self._resolve(entry.decision, tuple(entry.feedback), report)]
        except BanditRouteError as error:
            return error
        self._reported.update(range(first, len(self._feedback) + 1))
        return combine(results or ["duplicate"])

    def _stand(
        self, record: ArmRecord | PreferencesRecord | SpaceRecord | SecretRecord | SnapshotRecord
    ) -> WriteResult:
        router = self._router
        assert router is not None
        match record:
            case SnapshotRecord():
                newest = max(record, router.snapshot or record, key=lambda snapshot: snapshot.position)
                self._router = replace(router, snapshot=newest)
                return "recorded"
            case ArmRecord():
                arms = {known.arm.name: known for known in router.arms}
                name = record.arm.name
                arms[name] = merge_arm(arms.get(name), record)
                router = replace(router, arms=tuple(arms.values()))
                if record.arm.price is not None:
                    prices = _priced(router.prices.get(name, ()), record)
                    router = replace(router, prices={**router.prices, name: prices})
            case PreferencesRecord():
                last = router.preferences
                record = replace(record, version=last.version + 1)
                if record == replace(last, version=record.version):
                    return "recorded"
                router = replace(router, preferences=record)
            case SpaceRecord(dimension):
                if router.spec.dimension is not None:
                    known = router.spec.dimension == dimension
                    return "recorded" if known else StoreError(f"dimension {dimension} contradicts the stored one")
                router = replace(router, spec=replace(router.spec, dimension=dimension))
            case SecretRecord(secret):
                others = dict.fromkeys([secret, *router.accepted])
                router = replace(router, accepted=tuple(each for each in others if each != router.secret))
        self._router = replace(router, revision=router.revision + 1)
        self._limits = Limits.of(self._router.spec)
        return "recorded"


def _say_the_same(report: ReportRecord, other: object) -> bool:
    content = replace(report, source=None, received_us=0)
    return isinstance(other, ReportRecord) and content == replace(other, source=None, received_us=0)


def _blank(decision: DecisionRecord) -> DecisionRecord:
    nothing = np.zeros((len(decision.arms), 0))
    return replace(
        decision,
        row=np.zeros_like(decision.row),
        mean=nothing,
        width=nothing,
        draw_key=None,
        session=None,
        cohort=None,
    )


def _said_nothing(record: FeedbackRecord, row: RowArray) -> FeedbackRecord:
    return replace(
        record,
        row=row,
        values=record.values and (0,) * len(record.values),
        previous=record.previous and (0,) * len(record.previous),
        outcomes={},
    )


def _priced(known: Sequence[DatedPrice], record: ArmRecord) -> Sequence[DatedPrice]:
    assert record.arm.price is not None
    return with_price(known, DatedPrice(record.price_effective_us, record.arm.price, record.recorded_us))
