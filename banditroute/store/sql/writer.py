"""Group commit: one thread gathers the records that many threads append, and commits them in groups."""

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

GROUP_WAIT = 0.010
"""How long a group waits for more appends, in total [s]."""

QUIET_WAIT = 0.003
"""How long a group waits for the next append: threads that wait for this commit send no more [s]."""

GROUP_RECORDS = 500

_tick_pause = jittered(0.1)


@dataclass(frozen=True, slots=True)
class _Batch:
    records: Sequence[LogRecord]
    stored: "Future[ReceiptStatus]"


class Writer:
    """Queues appends, commits them in groups in a daemon thread, and gives each append a future.

    A group waits for further appends only if the previous group had more than one: a single thread that appends
    and waits pays for one commit without delay, and many threads that append together share one commit.

    Args:
        commit: Makes a group durable; called only from the thread.
        tick: Called in the same thread, between groups, ``pause()`` seconds after its last call: for work that
            must happen even without appends, and must not run at the same time as a commit.
        pause: Seconds until the next tick; about 100 ms by default.

    Attributes:
        thread: The daemon thread.
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

    @property
    def backlog(self) -> int:
        """Number of appends that wait; those of the group that is being committed do not count."""
        return self._queue.qsize()

    def append(self, records: Sequence[LogRecord]) -> "Future[ReceiptStatus]":
        """Queue records; the future is done when they are durable, or carries the error.

        Its result is ``"recorded"``, or the weakest status of the records.
        """
        stored: Future[ReceiptStatus] = Future()
        # From here on the future cannot be cancelled: set_result would raise in the thread.
        stored.set_running_or_notify_cancel()
        batch = _Batch(records, stored)
        with self._lock:
            if not self._closed:
                self._queue.put(batch)
                return stored
        return refused()

    def flush(self) -> None:
        """Wait until all earlier appends are committed or refused."""
        self.append(()).result()

    def close(self) -> None:
        """Commit the queued records, then end the thread; calling it again only waits for that."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        if threading.current_thread() is not self.thread:
            self.thread.join()

    def _run(self) -> None:
        was_shared = closing = False
        due = self._next_tick()
        while not closing:
            group, closing = self._gather(GROUP_WAIT if was_shared else 0.0, due)
            was_shared = len(group) > 1
            self._store(group)
            if self._tick is not None and not closing and time.monotonic() >= due:
                self._tick()
                due = self._next_tick()

    def _gather(self, wait: float, due: float) -> tuple[list[_Batch], bool]:
        """Return the next group, empty if no append comes until ``due``, and whether it is the last."""
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
            # An empty batch is a flush: its caller waits for all batches before it.
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
            # One of the batches cannot be stored; store each alone, so that the others succeed.
            for batch in group:
                self._store([batch])
            return
        first = 0
        for batch in group:
            indices = range(first, first + len(batch.records))
            _complete(batch.stored, _result_of(outcome, indices))
            first = indices.stop

    def _attempt(self, records: Sequence[LogRecord]) -> WriteResults | Exception:
        try:
            return self._commit(records)
        except StoreError as error:
            return error
        except Exception as error:  # noqa: BLE001  (if the thread died, every caller would wait forever)
            return StoreError(f"records not stored: {type(error).__name__}: {error}")

    def _next_tick(self) -> float:
        return math.inf if self._tick is None else time.monotonic() + self._pause()


def _result_of(outcome: WriteResults | Exception, indices: range) -> WriteResult:
    if not outcome or not indices:
        return "recorded"
    if isinstance(outcome, Exception):
        return outcome
    return combine(outcome.get(index, "recorded") for index in indices)


def _complete(stored: "Future[ReceiptStatus]", result: WriteResult) -> None:
    if isinstance(result, Exception):
        stored.set_exception(result)
    else:
        stored.set_result(result)
