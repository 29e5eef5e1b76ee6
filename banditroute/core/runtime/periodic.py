"""Threads that call a method periodically, and calls whose errors are logged instead of raised."""

import logging
import random
import threading
import weakref
from collections.abc import Callable

_BREATH_S = 0.001
_SPREAD = 0.2
_random = random.SystemRandom()
_log = logging.getLogger("banditroute")


def jittered(seconds: float) -> Callable[[], float]:
    """Pauses that differ by up to a fifth, so that workers started together do not ask a database together [s]."""
    return lambda: _random.uniform((1 - _SPREAD) * seconds, (1 + _SPREAD) * seconds)


class GuardedCall:
    """A call whose errors are logged instead of raised.

    Args:
        name: What the log calls it.
        call: May return whether there is more to do.
    """

    def __init__(self, name: str, call: Callable[[], bool | None]) -> None:
        self._name = name
        self._call = call
        self._error = ""

    def __call__(self) -> bool:
        """Return whether there is more to do; not after an error."""
        try:
            return bool(self._call())
        except Exception as error:  # noqa: BLE001  (whatever it is, the thread has to go on)
            # The same error ten times a second would bury everything else.
            last, self._error = self._error, f"{type(error).__name__}: {error}"
            if last != self._error:
                _log.error("%s failed: %s", self._name, self._error)
            return False


class PeriodicThread:
    """A daemon thread that calls a method periodically, until it is stopped or the method's owner is collected.

    The owner is referenced weakly. Where the method returns that there is more to do, it is called again soon.

    Args:
        method: A bound method; its errors are logged.
        name: Name of the thread.
        pause: Gives the next pause [s].

    Attributes:
        thread: The thread.
    """

    def __init__(self, method: Callable[[], bool | None], *, name: str, pause: Callable[[], float]) -> None:
        self._method = weakref.WeakMethod(method)
        self._pause = pause
        self._call = GuardedCall(name, self._called)
        self._stopped = threading.Event()
        self.thread = threading.Thread(target=self._run, name=f"banditroute-{name}", daemon=True)
        self.thread.start()

    def stop(self) -> None:
        """End the thread after the call that it is at; calling it again only waits for that."""
        self._stopped.set()
        if threading.current_thread() is not self.thread:
            self.thread.join()

    def _called(self) -> bool | None:
        method = self._method()
        if method is None:
            self._stopped.set()
            return False
        return method()

    def _run(self) -> None:
        while not self._stopped.wait(self._pause()):
            # Not quite at once: another thread may wait for the lock that the call held.
            while self._call() and not self._stopped.wait(_BREATH_S):
                pass
