"""The writing thread: gathers appends of many threads and commits them in groups."""

import math
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from banditroute.core.log import LogRecord
from banditroute.core.receipt import ReceiptStatus
from banditroute.core.runtime.periodic import GuardedCall, jittered
from banditroute.errors import StoreError, StoreUnavailableError
from banditroute.store.semantics.results import Commit, WriteResult, WriteResults, combine, refused

COMPANY_WAIT = 0.010
"""How long a group waits for more, in all [s]."""

QUIET_WAIT = 0.003
"""How long it waits for the next one: those who wait for it themselves will send no more [s]."""

GROUP_RECORDS = 500

_tick_pause = jittered(0.1)


@dataclass(frozen=True, slots=True)
class _Batch:
    records: Sequence[LogRecord]
    stored: "Future[ReceiptStatus]"


class Writer:
    """A queue, a daemon thread that empties it into ``commit``, and a future for each append.

    A group waits for company only if the one before it had any: a caller that appends alone and waits pays one
    commit, and many who append together share one.

    Args:
        commit: What makes a group durable; called from the thread alone.
        tick: Called in the same thread, between groups, ``pause()`` seconds after its last call: for what must
            happen without an append, and must not happen beside a commit.
        pause: Seconds until the next tick; about 100 ms by default.

    Attributes:
        thread: That thread.
    """

    def __init__(
        self,
        commit: Commit,
        tick: GuardedCall | None = None,
        *,
        pause: Callable[[], float] = _tick_pause,
    ) -> None:
        self._commit = commit
        self._tick = tick
        self._pause = pause
        self._queue: queue.SimpleQueue[_Batch | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False
        self.thread = threading.Thread(target=self._run, name="banditroute-writer", daemon=True)
        self.thread.start()

    def append(self, records: Sequence[LogRecord]) -> "Future[ReceiptStatus]":
        """Queue records; the future is done when they are durable, or carries why they are not.

        It says how they fared together: ``"recorded"``, or the weakest of their results.
        """
        stored: Future[ReceiptStatus] = Future()
        # From here on it cannot be cancelled: a task that gives up waiting must not affect the thread.
        stored.set_running_or_notify_cancel()
        batch = _Batch(records, stored)
        with self._lock:
            if not self._closed:
                self._queue.put(batch)
                return stored
        return refused()

    def flush(self) -> None:
        """Wait until all that was appended before has been committed or refused."""
        self.append(()).result()

    def close(self) -> None:
        """Commit what is queued, then end the thread; calling it again only waits for that."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        if threading.current_thread() is not self.thread:
            self.thread.join()

    def _run(self) -> None:
        in_company = closing = False
        due = self._next_tick()
        while not closing:
            group, closing = self._gather(COMPANY_WAIT if in_company else 0.0, due)
            in_company = len(group) > 1
            self._store(group)
            if self._tick is not None and not closing and time.monotonic() >= due:
                self._tick()
                due = self._next_tick()

    def _gather(self, wait: float, due: float) -> tuple[list[_Batch], bool]:
        """The next group, empty if none comes until ``due``, and whether it is the last."""
        group: list[_Batch] = []
        try:
            batch = self._queue.get(timeout=None if due == math.inf else max(due - time.monotonic(), 0.0))
        except queue.Empty:
            return group, False
        deadline = time.monotonic() + wait
        count = 0
        while batch is not None:
            group.append(batch)
            count += len(batch.records)
            # An empty batch is somebody who waits for all before it.
            left = deadline - time.monotonic() if batch.records else 0.0
            if count >= GROUP_RECORDS:
                return group, False
            try:
                batch = self._queue.get(timeout=min(left, QUIET_WAIT)) if left > 0 else self._queue.get_nowait()
            except queue.Empty:
                return group, False
        return group, True

    def _store(self, group: Sequence[_Batch]) -> None:
        records = [record for batch in group for record in batch.records]
        outcome = self._attempt(records) if records else {}
        refused_one = isinstance(outcome, Exception) and not isinstance(outcome, StoreUnavailableError)
        if refused_one and len(group) > 1:
            # One of them cannot be stored; that must not cost the others theirs.
            for batch in group:
                self._store([batch])
            return
        first = 0
        for batch in group:
            indices = range(first, first + len(batch.records))
            _settle(batch.stored, _combined(outcome, indices))
            first = indices.stop

    def _attempt(self, records: Sequence[LogRecord]) -> WriteResults | Exception:
        try:
            return self._commit(records)
        except StoreError as error:
            return error
        except Exception as error:  # noqa: BLE001  (a thread that dies would leave everybody waiting)
            return StoreError(f"records not stored: {type(error).__name__}: {error}")

    def _next_tick(self) -> float:
        return math.inf if self._tick is None else time.monotonic() + self._pause()


def _combined(outcome: WriteResults | Exception, indices: range) -> WriteResult:
    if not outcome or not indices:
        return "recorded"
    if isinstance(outcome, Exception):
        return outcome
    return combine(outcome.get(index, "recorded") for index in indices)


def _settle(stored: "Future[ReceiptStatus]", result: WriteResult) -> None:
    if isinstance(result, Exception):
        stored.set_exception(result)
    else:
        stored.set_result(result)
