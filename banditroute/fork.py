"""A fork must not tear a router that another thread is just changing, nor leave the child without its pulse."""

import os
import threading
import weakref
from collections.abc import Callable


class ForkGuard:
    """Holds a lock while the process forks, and does something in the child afterwards.

    It guards for as long as it is kept. Threads are not copied into a child, so what they held would be held
    there for ever, and what they were changing would stay half changed.

    Args:
        lock: Of what must stand still; reentrant.
        in_child: A method, to be called in the child; it is not kept alive by this.
    """

    def __init__(self, lock: threading.RLock, in_child: Callable[[], None]) -> None:
        self._lock = lock
        self._in_child = weakref.WeakMethod(in_child)
        _guards.add(self)

    def hold(self) -> None:
        """Wait until nothing is being changed."""
        self._lock.acquire()

    def release(self, *, in_child: bool) -> None:
        """Let changes go on."""
        self._lock.release()
        method = self._in_child() if in_child else None
        if method is not None:
            method()


_guards: "weakref.WeakSet[ForkGuard]" = weakref.WeakSet()
_held: list[ForkGuard] = []


def _before() -> None:
    _held[:] = _guards
    for guard in _held:
        guard.hold()


def _after(*, in_child: bool) -> None:
    while _held:
        _held.pop().release(in_child=in_child)


# Windows has no fork. Stores are registered later, hence asked to stand still first: their writers may wait for a
# router's lock, which is still free then.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before,
        after_in_parent=lambda: _after(in_child=False),
        after_in_child=lambda: _after(in_child=True),
    )
