"""A thread that does something now and then, for as long as its object lives."""

import random
import threading
import weakref
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_JITTER = 0.2


class PeriodicThread:
    """Calls a method every ``interval`` ± 20 % [s] on a daemon thread, until stopped or its object is gone.

    The method sees to it that nothing escapes it, which would end the thread. The spread is for workers that were
    started together: they would otherwise ask the database together, for ever.
    """

    def __init__(self, method: Callable[[], None], *, interval: float) -> None:
        self._method = weakref.WeakMethod(method)
        self._interval = interval
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="banditroute-pulse", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread; calling it again does nothing."""
        self._stopped.set()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        jitter = random.Random()  # noqa: S311  # of waiting times, not of choices
        while not self._stopped.wait(self._interval * jitter.uniform(1 - _JITTER, 1 + _JITTER)):
            method = self._method()
            if method is None:
                return
            method()
            del method


def unbound(method: Callable[[], T]) -> Callable[[], T]:
    """The same method, without keeping its owner alive: one that is let go of is then closed at once."""
    kept = weakref.WeakMethod(method)

    def call() -> T:
        bound = kept()
        assert bound is not None
        return bound()

    return call
