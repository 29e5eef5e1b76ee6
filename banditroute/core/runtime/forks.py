"""What holds threads, locks or connections when its process is copied by ``os.fork``."""

import os
import threading
import weakref
from collections.abc import Callable
from typing import Protocol


class Forks(Protocol):
    """Something that must get ready for a fork."""

    def before_fork(self) -> None:
        """Called in the thread that forks."""
        ...

    def after_fork(self, *, in_child: bool) -> None:
        """Called in it again, on both sides."""
        ...


class ForkLock:
    """Holds a lock while the process forks, and does something in the child afterwards.

    Threads are not copied into a child, so what they held would be held there for ever, and what they were
    changing would stay half changed.

    Args:
        lock: Of what must stand still; reentrant.
        in_child: A method, to be called in the child; it is not kept alive by this.
    """

    def __init__(self, lock: threading.RLock, in_child: Callable[[], None]) -> None:
        self._lock = lock
        self._in_child = weakref.WeakMethod(in_child)

    def before_fork(self) -> None:
        """Wait until nothing is being changed."""
        self._lock.acquire()

    def after_fork(self, *, in_child: bool) -> None:
        """Let changes go on."""
        self._lock.release()
        method = self._in_child() if in_child else None
        if method is not None:
            method()


def watch(thing: Forks) -> None:
    """Tell ``thing`` of every fork, as long as it lives; those that are watched first are asked first.

    So a store is watched before the router that opened it: its writer may wait for the router's lock, which must
    still be free when the writer is to stand still.
    """
    _watched.append(weakref.ref(thing, _watched.remove))


_watched: "list[weakref.ref[Forks]]" = []
_forking: list[Forks] = []


def _before() -> None:
    _forking.extend(thing for each in list(_watched) if (thing := each()) is not None)
    for thing in _forking:
        thing.before_fork()


def _after(*, in_child: bool) -> None:
    for thing in _forking:
        thing.after_fork(in_child=in_child)
    _forking.clear()


# Windows has no fork.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before,
        after_in_parent=lambda: _after(in_child=False),
        after_in_child=lambda: _after(in_child=True),
    )
