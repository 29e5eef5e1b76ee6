"""Runs a router's background thread, which follows the log and closes windows."""

import logging

from banditroute.core.runtime import forks
from banditroute.core.runtime.periodic import PeriodicThread, jittered
from banditroute.errors import BanditRouteError, StoreUnavailableError
from banditroute.router.engine import Engine
from banditroute.router.feedback import FeedbackHandler

FOLLOW_EVERY_S = 0.2
"""Interval between two reads of other workers' records [s]."""

_log = logging.getLogger("banditroute")


class Upkeep:
    """Owns a thread that follows the log and closes windows, if the store may have other workers.

    During ``os.fork`` it holds the engine's lock, so that the child does not copy a half-changed state. Threads
    are not copied, so the child starts its own.
    """

    def __init__(self, engine: Engine, feedback: FeedbackHandler, *, is_shared: bool) -> None:
        self._engine = engine
        self._feedback = feedback
        self._is_shared = is_shared
        self._logged = ""
        self._start()
        forks.register(self)

    def stop(self) -> None:
        """End the thread; calling it again does nothing."""
        if self._thread is not None:
            self._thread.stop()

    def beat(self) -> None:
        """Follow the log and close windows once; errors are logged and not raised."""
        with self._engine.faults:
            try:
                self._feedback.follower.follow()
                self._feedback.close_all_windows()
            except BanditRouteError as error:
                # No caller can receive this error; health() reports an unavailable store.
                if not isinstance(error, StoreUnavailableError) and str(error) != self._logged:
                    self._logged = str(error)
                    _log.error("router %r cannot follow its log: %s", self._engine.spec.name, error)

    def before_fork(self) -> None:
        """Take the engine's lock, so that the state does not change during the fork."""
        self._engine.lock.acquire()

    def after_fork(self, *, in_child: bool) -> None:
        """Release the engine's lock; in the child, also start a new thread."""
        self._engine.lock.release()
        if in_child:
            self._feedback.follower.reset_lock()
            self._start()

    def _start(self) -> None:
        self._thread = (
            PeriodicThread(self.beat, name="upkeep", pause=jittered(FOLLOW_EVERY_S)) if self._is_shared else None
        )
