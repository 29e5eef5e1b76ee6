"""Probes: how long a lock is held, and how long a garbage collection takes."""

import gc
import threading
import time
from types import TracebackType
from typing import Any


class TimedLock:
    """A re-entrant lock that notes how long each outermost hold takes [s]: wall time and the thread's own time."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._depth = 0
        self._since = (0.0, 0.0)
        self.holds: list[tuple[float, float]] = []

    def acquire(self, *args: Any, **kwargs: Any) -> bool:
        """Take the lock, as :meth:`threading.Lock.acquire` does."""
        taken = self._lock.acquire(*args, **kwargs)
        if taken:
            self._depth += 1
            if self._depth == 1:
                self._since = time.perf_counter(), time.thread_time()
        return taken

    def release(self) -> None:
        """Release the lock."""
        self._depth -= 1
        if not self._depth:
            wall, own = self._since
            self.holds.append((time.perf_counter() - wall, time.thread_time() - own))
        self._lock.release()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def collections_now(count: int = 30) -> list[float]:
    """Return how long full garbage collections take now [s], after one that frees what is left over."""
    gc.collect()
    found: list[float] = []
    for _ in range(count):
        began = time.perf_counter()
        gc.collect()
        found.append(time.perf_counter() - began)
    return found
