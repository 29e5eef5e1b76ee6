"""A log that lives as long as its process."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace

from banditroute.arms import Price
from banditroute.errors import RouterMismatchError
from banditroute.records import (
    ArmRecord,
    DecisionRecord,
    FeedbackRecord,
    LogRecord,
    Position,
    PreferencesRecord,
    RouterSpec,
    SnapshotRecord,
    SpaceRecord,
    StoredRouter,
)
from banditroute.store.base import START, Fold
from banditroute.store.order import as_lived
from banditroute.store.shape import fitted
from banditroute.store.writer import refused


class MemoryStore:
    """Keeps the records themselves, in a list: the reference for every other store, and the quickest.

    Appending costs a list extension. Nothing is checked and no state is kept, for the log alone is the truth.
    A closed store may be opened again, by the same router, and goes on where it stopped.
    """

    def __init__(self) -> None:
        self._stored: StoredRouter | None = None
        self._log: list[LogRecord] = []
        self._open = False
        self._done: Future[None] = Future()
        self._done.set_result(None)
        self._index: dict[bytes, tuple[DecisionRecord, list[FeedbackRecord]]] = {}
        self._indexed = 0
        self._lock = threading.Lock()

    def open(
        self,
        spec: RouterSpec,
        arms: Sequence[ArmRecord],
        preferences: PreferencesRecord,
        *,
        secret: bytes,
        fold: Fold,  # noqa: ARG002  (a store without state folds nothing)
    ) -> StoredRouter:
        """Create the router, or return what was appended since it was created."""
        if self._stored is None:
            self._stored = StoredRouter(spec, secret, tuple(arms), preferences, None, START, created=True)
            self._open = True
            return self._stored
        name, tenant = self._stored.spec.name, self._stored.spec.tenant
        if (name, tenant) != (spec.name, spec.tenant):
            raise RouterMismatchError(f"this memory store holds router {name!r}, not {spec.name!r}")
        self._stored = self._current(self._stored, spec)
        self._open = True
        return self._stored

    def append(self, records: Sequence[LogRecord]) -> "Future[None]":
        """Keep the records; the future is already done."""
        if not self._open:
            return refused()
        self._log.extend(records)
        return self._done

    def events(self, after: Position = START) -> Iterator[DecisionRecord | FeedbackRecord]:
        """Replay what is behind ``after`` at the time of the call."""
        log = self._log[:]
        decisions = [r for r in log if isinstance(r, DecisionRecord) and r.decided > after.decided]
        feedback = [r for r in log if isinstance(r, FeedbackRecord) and r.learned > after.learned]
        decisions.sort(key=lambda r: r.decided)
        feedback.sort(key=lambda r: r.learned)
        return as_lived(decisions, feedback)

    def decision(self, body: bytes) -> tuple[DecisionRecord, tuple[FeedbackRecord, ...]] | None:
        """One decision with its feedback, or None."""
        with self._lock:
            self._bring_index_up_to_date()
            found = self._index.get(body)
            return found and (found[0], tuple(sorted(found[1], key=lambda r: r.learned)))

    def close(self) -> None:
        """Refuse further records."""
        self._open = False

    def _bring_index_up_to_date(self) -> None:
        new = self._log[self._indexed :]
        self._indexed += len(new)
        for record in new:
            if isinstance(record, DecisionRecord):
                self._index[record.body] = (record, [])
        for record in new:
            if isinstance(record, FeedbackRecord) and record.body in self._index:
                self._index[record.body][1].append(record)

    def _current(self, stored: StoredRouter, given: RouterSpec) -> StoredRouter:
        spec, arms = stored.spec, {record.arm.name: record for record in stored.arms}
        prices = {name: dict(known) for name, known in stored.prices.items()}
        for known_arm in stored.arms:
            _note(prices, known_arm)
        preferences, snapshot, end = stored.preferences, None, START
        for record in self._log:
            match record:
                case DecisionRecord():
                    end = Position(end.learned, max(end.decided, record.decided))
                case FeedbackRecord():
                    end = Position(max(end.learned, record.learned), end.decided)
                case ArmRecord():
                    arms[record.arm.name] = record
                    _note(prices, record)
                case PreferencesRecord():
                    preferences = max(preferences, record, key=lambda r: r.version)
                case SpaceRecord():
                    spec = replace(spec, dimension=record.dimension)
                case SnapshotRecord():
                    snapshot = max(record, snapshot or record, key=lambda r: r.position)
        return StoredRouter(
            fitted(spec, given),
            stored.secret,
            tuple(arms.values()),
            preferences,
            snapshot,
            end,
            created=False,
            prices={name: sorted(known.items(), key=_since) for name, known in prices.items()},
        )


def _note(prices: dict[str, dict[int, Price]], record: ArmRecord) -> None:
    if record.arm.price is not None:
        prices.setdefault(record.arm.name, {})[record.price_effective_us] = record.arm.price


def _since(price: tuple[int, Price]) -> int:
    return price[0]
