"""The one thread that writes: it gathers what many threads append and commits it in groups."""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeAlias

from banditroute.errors import StoreError, StoreUnavailableError
from banditroute.records import LogRecord

Commit: TypeAlias = Callable[[Sequence[LogRecord]], None]
"""Makes all of the records durable, or none: then it raises."""

COMPANY_WAIT = 0.010
"""How long a group waits for more [s]."""

GROUP_RECORDS = 500


@dataclass(frozen=True, slots=True)
class _Batch:
    records: Sequence[LogRecord]
    stored: "Future[None]"


class Writer:
    """A queue, a daemon thread that empties it into ``commit``, and a future for each append.

    A group waits for company only if the one before it had any: whoever appends alone and waits for it pays one
    commit, and many who append together share one.
    """

    def __init__(self, commit: Commit) -> None:
        self._commit = commit
        self._queue: queue.SimpleQueue[_Batch | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="banditroute-writer", daemon=True)
        self._thread.start()

    def append(self, records: Sequence[LogRecord]) -> "Future[None]":
        """Queue records; the future is done when they are durable, or carries why they are not."""
        stored: Future[None] = Future()
        # From here on nobody can cancel it: a task that gives up waiting must not unsettle the thread.
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
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        in_company = closing = False
        while not closing:
            group, closing = self._gather(COMPANY_WAIT if in_company else 0.0)
            in_company = len(group) > 1
            self._store(group)

    def _gather(self, wait: float) -> tuple[list[_Batch], bool]:
        """The next group, and whether it is the last."""
        group: list[_Batch] = []
        batch = self._queue.get()
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
                batch = self._queue.get(timeout=left) if left > 0 else self._queue.get_nowait()
            except queue.Empty:
                return group, False
        return group, True

    def _store(self, group: Sequence[_Batch]) -> None:
        records = [record for batch in group for record in batch.records]
        error = self._attempt(records) if records else None
        if error is None or isinstance(error, StoreUnavailableError) or len(group) == 1:
            for batch in group:
                _settle(batch.stored, error if batch.records else None)
            return
        # One of them cannot be stored; that must not cost the others theirs.
        for batch in group:
            self._store([batch])

    def _attempt(self, records: Sequence[LogRecord]) -> Exception | None:
        try:
            self._commit(records)
        except StoreError as error:
            return error
        except Exception as error:  # noqa: BLE001  (a thread that dies would leave everybody waiting)
            return StoreError(f"records not stored: {type(error).__name__}: {error}")
        return None


def refused() -> "Future[None]":
    """What an append to a store that is not open gets."""
    future: Future[None] = Future()
    future.set_exception(StoreUnavailableError("the store is not open; records not stored", code="store.closed"))
    return future


def _settle(stored: "Future[None]", error: Exception | None) -> None:
    if error is None:
        stored.set_result(None)
    else:
        stored.set_exception(error)
