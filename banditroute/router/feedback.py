"""Handles reports, closing windows and forgetting."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

from banditroute.core.ids import key_created_us
from banditroute.core.log import FeedbackRecord, Position
from banditroute.core.receipt import Receipt, ReceiptStatus
from banditroute.core.revisions import retraction
from banditroute.errors import DecisionExpiredError, StoreUnavailableError
from banditroute.router.engine import Engine
from banditroute.router.follower import LogFollower
from banditroute.router.resolution import checked_report
from banditroute.router.state.recent import DecisionEntry
from banditroute.router.worker_log import WorkerLog

LOOK_UPS = 3
"""How often to look up a decision while other workers write feedback on it."""

DAY_US = 86_400_000_000


class FeedbackHandler:
    """Learns each report at once, and appends it to the log.

    The engine's lock is held while state and recent decisions are read or changed, and never during a query of the
    store: the store may wait for its writer, and its writer for this lock.

    Attributes:
        follower: Reads the records of other workers.
    """

    def __init__(self, engine: Engine, log: WorkerLog) -> None:
        self.follower = LogFollower(engine, log)
        self._engine = engine
        self._log = log
        # Groups and decision keys with an expired window whose decision is no longer in memory.
        self._expired_unknown: deque[tuple[str, bytes]] = deque()
        self._await_stored()

    def _await_stored(self) -> None:
        """Reopen the windows that were open when the router was last closed.

        A window that expired more than its own length and a day ago is given up.
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
        """Learn a report; if the store is remote and the decision is not in memory, the store resolves it.

        For arguments and errors see :meth:`banditroute.Router.feedback`.
        """
        self._engine.require_open()
        key = self._log.keys.key(decision_id)
        report = checked_report(
            key, outcomes, served_arm=served_arm, source=source, amend=amend, now_us=self._engine.now_us()
        )
        self._log.outbox.pace()
        self.close_windows()
        entry = self._known(report.decision_key)
        if entry is None:
            self._log.resolver.check(report)
            # Under the lock: a store that resolves the report at once takes its own lock and then this one, so
            # this one must be first in every thread.
            with self._engine.lock:
                self._engine.require_open()
                return Receipt(decision_id, "recorded", self._log.put([report]))
        with self._engine.lock:
            self._engine.require_open()
            records = self._log.resolver.resolve(
                entry.decision, entry.feedback, report, n_feedback=self._engine.state.position.n_feedback
            )
            stored = self._learn(entry, records)
        return Receipt(decision_id, "recorded" if records else "duplicate", stored)

    def find(self, key: bytes) -> DecisionEntry | None:
        """Return a decision with its feedback; query the store if it is not in memory."""
        for attempts_left in reversed(range(LOOK_UPS)):
            with self._engine.lock:
                entry, followed = self._log.recent.get(key), self.follower.followed
            if entry is not None:
                return entry
            entry = self._log.recent.fetch(key)
            if entry is None:
                return None
            with self._engine.lock:
                # The entry may be used if the state has learned all its feedback, and no other thread has followed
                # the log meanwhile. After the last attempt it is used anyway: then the log cannot be read to its
                # end.
                is_learned = _is_within(entry, followed) and self.follower.followed == followed
                if is_learned or not attempts_left:
                    return self._log.recent.get(key) or self._log.recent.add(entry)
            # Feedback of another worker must be learned before a further revision is based on it.
            self.follower.follow()
        raise AssertionError

    def _known(self, key: bytes) -> DecisionEntry | None:
        """Return a decision with its feedback, without waiting for a remote or unavailable database.

        Only a decision that may have been deleted is looked up in a remote database too.

        Raises:
            DecisionExpiredError: if the store deleted it.
        """
        horizon_us = self._log.recent.horizon_us
        is_old = horizon_us > 0 and key_created_us(key) <= horizon_us
        with suppress(StoreUnavailableError):
            # Feedback on a decision this old is rare, so it may wait for a remote database.
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
        """Close expired windows and learn their outcomes, without a query of a remote database."""
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
        """Close all expired windows, including those of decisions that are no longer in memory.

        Raises:
            StoreUnavailableError: if the store is unavailable; the remaining windows stay open.
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
        # Several threads may call this at the same time.
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
        """Remove the outcomes of these decisions from everything learned; only those of ``source``, if given.

        Returns the number of outcomes removed.
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
    """Return whether all log records of a decision are already applied to the state."""
    number = max((record.number for record in entry.feedback.values()), default=0)
    return entry.decision.number <= followed.n_decisions and number <= followed.n_feedback
