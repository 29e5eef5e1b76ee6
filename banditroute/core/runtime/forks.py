"""Fork handling for objects with threads, locks or connections."""

import os
import weakref
from typing import Protocol


class Forks(Protocol):
    """Something that must get ready for a fork."""

    def before_fork(self) -> None:
        """Called in the thread that forks."""
        ...

    def after_fork(self, *, in_child: bool) -> None:
        """Called in it again, on both sides."""
        ...


def register(thing: Forks) -> None:
    """Notify ``thing`` of every fork until it is collected, in the order of registration.

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
