"""Background work of a router: a thread that follows the log and closes windows."""

import logging

from banditroute.core.runtime import forks
from banditroute.core.runtime.periodic import PeriodicThread, jittered
from banditroute.errors import BanditRouteError, StoreUnavailableError
from banditroute.router.engine import Engine
from banditroute.router.feedback import FeedbackHandler

FOLLOW_EVERY_S = 0.2
"""How often to look for records of other workers [s]."""

_log = logging.getLogger("banditroute")


class Upkeep:
    """A thread that follows the log and closes windows, where the store may have other workers.

    While the process is copied by ``os.fork`` it holds the engine's lock, so that nothing is copied half changed;
    threads are not copied, so the child starts its own.
    """

    def __init__(self, engine: Engine, feedback: FeedbackHandler, *, is_shared: bool) -> None:
        self._engine = engine
        self._feedback = feedback
        self._is_shared = is_shared
        self._start()
        forks.register(self)

    def stop(self) -> None:
        """End the thread; calling it again does nothing."""
        if self._thread is not None:
            self._thread.stop()

    def beat(self) -> None:
        """Follow the log and close windows, once; no error leaves it."""
        with self._engine.faults:
            try:
                self._feedback.follower.follow()
                self._feedback.close_all_windows()
            except BanditRouteError as error:
                # No caller could get this error; health() tells that a store is unavailable.
                if not isinstance(error, StoreUnavailableError):
                    _log.error("router %r cannot follow its log: %s", self._engine.spec.name, error)

    def before_fork(self) -> None:
        """Wait until nothing is being changed."""
        self._engine.lock.acquire()

    def after_fork(self, *, in_child: bool) -> None:
        """Let changes go on; in the child, with a new thread."""
        self._engine.lock.release()
        if in_child:
            self._feedback.follower.reset_lock()
            self._start()

    def _start(self) -> None:
        self._thread = (
            PeriodicThread(self.beat, name="upkeep", pause=jittered(FOLLOW_EVERY_S)) if self._is_shared else None
        )
