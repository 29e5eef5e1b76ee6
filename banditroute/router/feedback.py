"""What is reported of decisions, on its way into the belief and into the log."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field

from banditroute.core.ids import key_created_us
from banditroute.core.log import FeedbackRecord, Position, ReportRecord
from banditroute.core.receipt import Receipt, ReceiptStatus
from banditroute.core.revisions import retraction
from banditroute.core.runtime.faults import FaultBarrier
from banditroute.errors import DecisionExpiredError, StoreUnavailableError
from banditroute.router.follower import LogFollower
from banditroute.router.open_windows import OpenWindows
from banditroute.router.outbox import Outbox
from banditroute.router.resolution import FeedbackResolver
from banditroute.router.state import DecisionEntry, RecentDecisions, State
from banditroute.store import Store

OTHERS_GRACE_US = 10_000_000
"""How long after its window a decision's own worker may take to close it before others do [us]."""

LOOKS = 3
"""How often to look for a decision while others write of it."""

DAY_US = 86_400_000_000


@dataclass(frozen=True, slots=True)
class FeedbackHandler:
    """Learns at once what is reported, and appends it to the log.

    Attributes:
        follow: Reads what other workers wrote.
        awaited, of_others: Decisions of this worker and of others whose windows are open.
        old: Groups and bodies of decisions whose windows are over, and of which only the store knows.
    """

    store: Store
    state: State
    recent: RecentDecisions
    journal: LogFollower
    outbox: Outbox
    reviser: FeedbackResolver
    lock: threading.RLock
    barrier: FaultBarrier
    now_us: Callable[[], int]
    follow: Callable[[], None]
    awaited: OpenWindows
    of_others: OpenWindows = field(repr=False)
    old: deque[tuple[str, bytes]] = field(default_factory=deque)

    def resume(self) -> None:
        """Await what was awaited when the router was last open.

        Windows that ended long before are let go: more than their own length and a day.
        """
        for group, wait_us in self.awaited.groups.items():
            since_us = self.now_us() - 2 * wait_us - DAY_US
            # What a store that is away would have said, nobody awaits: its own worker does, or the next opening.
            with suppress(StoreUnavailableError):
                for created_us, body in self.store.decisions_missing_outcome(group, since_us=since_us):
                    self.awaited.add(group, created_us, body)

    def entry(self, body: bytes) -> DecisionEntry | None:
        """What is known of a decision, asking the store for those that were made too long ago."""
        return self._found(body, LOOKS)

    def _found(self, body: bytes, looks: int) -> DecisionEntry | None:
        with self.lock:
            entry, followed = self.recent.get(body), self.journal.followed
        if entry is not None:
            return entry
        # Not under the lock: the store may wait for its writer, and its writer for the roster.
        entry = self.recent.fetch(body)
        if entry is None:
            return None
        with self.lock:
            # What was read meanwhile was learned without it. A log that nobody can read to its end is damaged.
            is_learned = _is_within(entry, followed) and self.journal.followed == followed
            if is_learned or looks == 1:
                return self.recent.get(body) or self.recent.add(entry)
        # Another worker's news: to be learned before anything is built on it.
        self.follow()
        return self._found(body, looks - 1)

    def take(self, decision_id: str, report: ReportRecord) -> Receipt:
        """Learn a report; where the store is far and the decision not known here, the store sees to it.

        Raises:
            DecisionExpiredError: if the decision is from before the horizon of the log, and gone.
        """
        entry = self._known(report.body)
        if entry is None:
            self.reviser.check(report)
            # Under the lock, which a store that resolves the report at once takes too, after its own.
            with self.lock:
                return Receipt(decision_id, "recorded", self.outbox.put([report]))
        with self.lock:
            records = self.reviser.revise(
                entry.decision, entry.feedback, report, learned=self.state.position.learned
            )
            stored = self._learn(entry, records)
        return Receipt(decision_id, "recorded" if records else "duplicate", stored)

    def _known(self, body: bytes) -> DecisionEntry | None:
        """What is known of a decision without waiting for a database that is far, or away."""
        horizon_us = self.recent.horizon_us
        old = horizon_us > 0 and key_created_us(body) <= horizon_us
        with suppress(StoreUnavailableError):
            # One that may be gone is so rare, and so old, that its feedback may wait.
            if self.store.is_local or old:
                entry = self.entry(body)
                if entry is None and old:
                    days = (self.now_us() - horizon_us) // DAY_US
                    raise DecisionExpiredError(
                        f"decision is older than the {days}-day retention; feedback not recorded"
                    )
                return entry
        return self.recent.get(body)

    def close_windows(self) -> None:
        """Learn what is to be learned of outcomes whose window is over, without asking a database."""
        if not self.awaited.groups:
            return
        with self.lock:
            now_us = self.now_us()
            for group, body in (*self.awaited.over(now_us), *self.of_others.over(now_us - OTHERS_GRACE_US)):
                entry = self.recent.get(body)
                if entry is None:
                    self.old.append((group, body))
                else:
                    self._close_window(entry, group)
        if not self.store.is_shared:
            self._close_old_windows()

    def close_all_windows(self) -> None:
        """The same, also of decisions that were made too long ago to be at hand.

        Raises:
            StoreUnavailableError: if the store is away; then the rest waits.
        """
        self.close_windows()
        self._close_old_windows()

    def _close_old_windows(self) -> None:
        while (window := self._an_old_window()) is not None:
            group, body = window
            try:
                entry = self.entry(body)
            except StoreUnavailableError:
                self.old.appendleft(window)
                raise
            if entry is not None:
                with self.lock:
                    self._close_window(entry, group)

    def _an_old_window(self) -> tuple[str, bytes] | None:
        # Threads may do this at once.
        with self.lock:
            return self.old.popleft() if self.old else None

    def _close_window(self, entry: DecisionEntry, group: str) -> None:
        known, learned = entry.feedback.get(group), self.state.position.learned
        records = self.reviser.after_window(entry.decision, known, group, self.now_us(), learned=learned)
        if records:
            self._learn(entry, records)

    def forget(self, bodies: Iterable[bytes], *, source: str | None) -> int:
        """Take what came of these decisions out of everything learned; of one source alone, if one is given.

        Returns how many outcomes were taken out.
        """
        forgotten = 0
        for body in bodies:
            entry = self.entry(body)
            if entry is None:
                continue
            with self.lock:
                for before in list(entry.feedback.values()):
                    if before.values is None or (source is not None and before.source != source):
                        continue
                    learned = self.state.position.learned + 1
                    self._learn(entry, [retraction(before, learned=learned, received_us=self.now_us())])
                    forgotten += 1
        return forgotten

    def _learn(self, entry: DecisionEntry, records: Sequence[FeedbackRecord]) -> "Future[ReceiptStatus]":
        for record in records:
            with self.barrier:
                self.state.see_feedback(record)
            entry.feedback[record.group] = record
            if self.state.can_snapshot and self.journal.alone:
                self.journal.propose(self.state.snapshot(now_us=self.now_us()))
        return self.outbox.put(records)


def _is_within(entry: DecisionEntry, followed: Position) -> bool:
    """Whether everything that the log says of a decision was learned here already."""
    learned = max((record.learned for record in entry.feedback.values()), default=0)
    return entry.decision.decided <= followed.decided and learned <= followed.learned
