"""A fork must not tear a router that another thread is just changing."""

import os
import weakref
from typing import Protocol


class Forkable(Protocol):
    """What survives a fork, in parent and child."""

    def before_fork(self) -> None:
        """Stand still: nothing of it changes until one of the other two is called."""

    def after_fork_in_parent(self) -> None:
        """Go on."""

    def after_fork_in_child(self) -> None:
        """Go on without the threads and connections, which are the parent's."""


_forkables: "weakref.WeakSet[Forkable]" = weakref.WeakSet()
_held: list[Forkable] = []


def survive_forks(forkable: Forkable) -> None:
    """Let ``forkable`` know of every fork for as long as it lives."""
    _forkables.add(forkable)


def _before() -> None:
    _held[:] = list(_forkables)
    for forkable in _held:
        forkable.before_fork()


def _in_parent() -> None:
    for forkable in reversed(_held):
        forkable.after_fork_in_parent()
    _held.clear()


def _in_child() -> None:
    for forkable in reversed(_held):
        forkable.after_fork_in_child()
    _held.clear()


# Windows has no fork.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
