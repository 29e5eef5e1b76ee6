"""What open stores do when their process is copied by ``os.fork``."""

import os
import weakref
from typing import Protocol


class Forks(Protocol):
    """Something that holds connections and threads."""

    def before_fork(self) -> None:
        """Called in the thread that forks."""
        ...

    def after_fork(self, *, in_child: bool) -> None:
        """Called in it again, on both sides."""
        ...


def watch(store: Forks) -> None:
    """Tell ``store`` of every fork, as long as it lives."""
    _open.add(store)


_open: "weakref.WeakSet[Forks]" = weakref.WeakSet()
_forking: list[Forks] = []


def _before() -> None:
    _forking.extend(_open)
    for store in _forking:
        store.before_fork()


def _after(*, in_child: bool) -> None:
    for store in _forking:
        store.after_fork(in_child=in_child)
    _forking.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before,
        after_in_parent=lambda: _after(in_child=False),
        after_in_child=lambda: _after(in_child=True),
    )
