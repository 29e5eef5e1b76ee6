"""Keeps a controller's recent decisions until their outcomes arrive."""

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

Pending = TypeVar("Pending", bound=Sequence[Any])

MAX_PENDING = 4096


class PendingOutcomes(Generic[Pending]):
    """A note for each of the last 4,096 decisions, by decision key.

    An outcome of an older decision finds no note; its controller then keeps the estimate that it used for the
    decision. A note is a sequence of plain values; it is replaced and never changed.
    """

    def __init__(self) -> None:
        self._notes: dict[bytes, Pending] = {}

    def __len__(self) -> int:
        return len(self._notes)

    def put(self, decision_key: bytes, note: Pending) -> None:
        """Add or replace the note of a decision; the oldest note is removed if there are too many."""
        self._notes[decision_key] = note
        if len(self._notes) > MAX_PENDING:
            del self._notes[next(iter(self._notes))]

    def get(self, decision_key: bytes) -> Pending | None:
        """Return the note of a decision; None if it is not kept."""
        return self._notes.get(decision_key)

    def state(self) -> list[list[Any]]:
        """Return all notes for JSON, the oldest first."""
        return [[key.hex(), *note] for key, note in self._notes.items()]

    def restore(self, state: Sequence[Sequence[Any]]) -> None:
        """Continue from the result of :meth:`state`."""
        self._notes = {bytes.fromhex(key): tuple(note) for key, *note in state}  # type: ignore[misc]  # of plain values
