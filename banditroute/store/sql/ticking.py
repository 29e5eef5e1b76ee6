"""What is done again and again, in a thread of its own or between two groups of the writer."""

import logging
import random
import threading
from collections.abc import Callable

_BREATH_S = 0.001
_jitter = random.SystemRandom()
_log = logging.getLogger("banditroute")


def around(pause: float) -> Callable[[], float]:
    """Pauses that differ by up to a fifth: ticks of many workers on one database must not fall together [s]."""
    return lambda: _jitter.uniform(0.8 * pause, 1.2 * pause)


class Tick:
    """A call that must not end the thread that makes it: what it raises is logged, and the thread goes on.

    Args:
        name: What the log calls it.
        call: May say that there is more to do.
    """

    def __init__(self, name: str, call: Callable[[], bool | None]) -> None:
        self._name = name
        self._call = call
        self._error = ""

    def __call__(self) -> bool:
        """Whether there is more to do; not after an error."""
        try:
            return bool(self._call())
        except Exception as error:  # noqa: BLE001  (a thread that dies would be missed by nobody, and by all)
            # The same one ten times a second would bury everything else.
            told, self._error = self._error, f"{type(error).__name__}: {error}"
            if told != self._error:
                _log.error("%s failed: %s", self._name, self._error)
            return False


class Ticker:
    """A daemon thread that ticks, ``pause()`` seconds after the last time, or soon if there was more to do.

    Args:
        name: Of the thread.
        tick: What it calls.
        pause: Gives the next pause [s].

    Attributes:
        thread: That thread.
    """

    def __init__(self, name: str, tick: Tick, pause: Callable[[], float]) -> None:
        self._tick = tick
        self._pause = pause
        self._closing = threading.Event()
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.thread.start()

    def close(self) -> None:
        """End the thread after the tick that it is at; calling it again only waits for that."""
        self._closing.set()
        if threading.current_thread() is not self.thread:
            self.thread.join()

    def _run(self) -> None:
        while not self._closing.wait(self._pause()):
            # Not quite at once: somebody may wait for the lock that the tick held.
            while self._tick() and not self._closing.wait(_BREATH_S):
                pass
