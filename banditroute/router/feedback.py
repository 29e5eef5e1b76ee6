"""Handling of reports and of windows that close."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from banditroute.core.ids import key_created_us
from banditroute.core.log import FeedbackRecord, Position, ReportRecord
from banditroute.core.receipt import Receipt, ReceiptStatus
from banditroute.core.revisions import retraction
from banditroute.core.validation import require_text
from banditroute.errors import DecisionExpiredError, InvalidArgumentError, StoreUnavailableError
from banditroute.router.engine import Engine
from banditroute.router.follower import LogFollower
from banditroute.router.state.recent import DecisionEntry
from banditroute.router.worker_log import WorkerLog

LOOK_UPS = 3
"""How often to look a decision up while others write feedback on it."""

MAX_SOURCE = 200
DAY_US = 86_400_000_000


class FeedbackHandler:
    """Learns at once what is reported, and appends it to the log.

    The lock of the engine is held while state and recent decisions are read or changed, and never while the store
    is asked: the store may wait for its writer, and its writer for the lock.

    Attributes:
        follower: Reads what other workers wrote.
    """

    def __init__(self, engine: Engine, log: WorkerLog) -> None:
        self.follower = LogFollower(engine, log)
        self._engine = engine
        self._log = log
        # Groups and decision keys whose windows are over, and of which only the store knows.
        self._expired_unknown: deque[tuple[str, bytes]] = deque()
        self._await_stored()

    def _await_stored(self) -> None:
        """Await the outcomes that were awaited when the router was last open.

        Windows that ended long before are given up: more than their own length and a day ago.
        """
        windows = self._log.windows
        for group, length_us in windows.groups.items():
            since_us = self._engine.now_us() - 2 * length_us - DAY_US
            # While the store is unavailable its open windows are unknown: their own worker or the next opening
            # closes them.
            with suppress(StoreUnavailableError):
                for created_us, key in self._log.store.decisions_missing_outcome(group, since_us=since_us):
                    windows.add(group, created_us, key)

    def report(
        self,
        decision_id: str,
        outcomes: Mapping[str, Any],
        *,
        served_arm: str | None,
        source: str | None,
        amend: bool,
    ) -> Receipt:
        """Learn a report; where the store is remote and the decision is not known here, the store resolves it.

        Arguments and errors are those of :meth:`banditroute.Router.feedback`.
        """
        key = self._log.ids.key(decision_id)
        require_text("source", source, longest=MAX_SOURCE)
        if not isinstance(amend, bool):
            raise InvalidArgumentError(f"amend = {amend!r:.40} must be True or False")
        self.close_windows()
        report = ReportRecord(key, outcomes, served_arm, source, amend, self._engine.now_us())
        entry = self._known(report.decision_key)
        if entry is None:
            self._log.resolver.check(report)
            # Under the lock, which a store that resolves the report at once takes too, after its own.
            with self._engine.lock:
                return Receipt(decision_id, "recorded", self._log.put([report]))
        with self._engine.lock:
            records = self._log.resolver.resolve(
                entry.decision, entry.feedback, report, n_feedback=self._engine.state.position.n_feedback
            )
            stored = self._learn(entry, records)
        return Receipt(decision_id, "recorded" if records else "duplicate", stored)

    def find(self, key: bytes) -> DecisionEntry | None:
        """Return a decision with its feedback; asks the store if it is no longer in memory."""
        for attempts_left in reversed(range(LOOK_UPS)):
            with self._engine.lock:
                entry, followed = self._log.recent.get(key), self.follower.followed
            if entry is not None:
                return entry
            entry = self._log.recent.fetch(key)
            if entry is None:
                return None
            with self._engine.lock:
                # What was read meanwhile was learned without it. A log that cannot be read to its end is damaged.
                is_learned = _is_within(entry, followed) and self.follower.followed == followed
                if is_learned or not attempts_left:
                    return self._log.recent.get(key) or self._log.recent.add(entry)
            # Feedback of another worker has to be learned before anything is built on it.
            self.follower.follow()
        raise AssertionError

    def _known(self, key: bytes) -> DecisionEntry | None:
        """Return a decision with its feedback, without waiting for a remote or unavailable database."""
        horizon_us = self._log.recent.horizon_us
        is_old = horizon_us > 0 and key_created_us(key) <= horizon_us
        with suppress(StoreUnavailableError):
            # A decision that may be deleted is so rare, and so old, that its feedback may wait.
            if self._log.store.is_local or is_old:
                entry = self.find(key)
                if entry is None and is_old:
                    days = (self._engine.now_us() - horizon_us) // DAY_US
                    raise DecisionExpiredError(
                        f"decision is older than the {days}-day retention; feedback not recorded"
                    )
                return entry
        return self._log.recent.get(key)

    # -------------------------------------------------------------------------------------------------- windows

    def close_windows(self) -> None:
        """Learn what is to be learned of outcomes whose window is over, without asking a database."""
        if not self._log.windows.groups:
            return
        with self._engine.lock:
            for group, key in self._log.windows.pop_expired(self._engine.now_us()):
                entry = self._log.recent.get(key)
                if entry is None:
                    self._expired_unknown.append((group, key))
                else:
                    self._close_window(entry, group)
        if not self._log.store.is_shared:
            self._close_unknown()

    def close_all_windows(self) -> None:
        """Close windows, also of decisions that are no longer in memory.

        Raises:
            StoreUnavailableError: if the store is unavailable; then the rest waits.
        """
        self.close_windows()
        self._close_unknown()

    def _close_unknown(self) -> None:
        while (window := self._next_unknown()) is not None:
            group, key = window
            try:
                entry = self.find(key)
            except StoreUnavailableError:
                self._expired_unknown.appendleft(window)
                raise
            if entry is not None:
                with self._engine.lock:
                    self._close_window(entry, group)

    def _next_unknown(self) -> tuple[str, bytes] | None:
        # Threads may do this at once.
        with self._engine.lock:
            return self._expired_unknown.popleft() if self._expired_unknown else None

    def _close_window(self, entry: DecisionEntry, group: str) -> None:
        n_feedback = self._engine.state.position.n_feedback
        last = entry.feedback.get(group)
        records = self._log.resolver.close(
            entry.decision, last, group, self._engine.now_us(), n_feedback=n_feedback
        )
        if records:
            self._learn(entry, records)

    # ------------------------------------------------------------------------------------------------ forgetting

    def forget(self, keys: Iterable[bytes], *, source: str | None) -> int:
        """Take the outcomes of these decisions out of everything learned; those of one source, if one is given.

        Returns how many outcomes were taken out.
        """
        forgotten = 0
        for key in keys:
            entry = self.find(key)
            if entry is None:
                continue
            with self._engine.lock:
                for last in list(entry.feedback.values()):
                    if last.values is None or (source is not None and last.source != source):
                        continue
                    number = self._engine.state.position.n_feedback + 1
                    record = retraction(last, number=number, received_us=self._engine.now_us())
                    self._learn(entry, [record])
                    forgotten += 1
        return forgotten

    def _learn(self, entry: DecisionEntry, records: Sequence[FeedbackRecord]) -> "Future[ReceiptStatus]":
        state = self._engine.state
        for record in records:
            with self._engine.faults:
                state.apply_feedback(record)
            entry.feedback[record.group] = record
            if state.can_snapshot and self.follower.is_only_worker:
                self.follower.offer_snapshot(state.snapshot(now_us=self._engine.now_us()))
        return self._log.put(records)


def _is_within(entry: DecisionEntry, followed: Position) -> bool:
    """Whether everything that the log says of a decision was applied here already."""
    number = max((record.number for record in entry.feedback.values()), default=0)
    return entry.decision.number <= followed.n_decisions and number <= followed.n_feedback
