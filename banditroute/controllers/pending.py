"""Recent decisions that a controller keeps until their outcomes arrive."""

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

Pending = TypeVar("Pending", bound=Sequence[Any])

MAX_PENDING = 4096


class PendingOutcomes(Generic[Pending]):
    """A note for each of the last 4,096 decisions, by the body of its id.

    What comes for an older one finds no note: to its controller it stays what it was taken for. A note is a
    sequence of plain values that is never changed, only replaced.
    """

    def __init__(self) -> None:
        self._notes: dict[bytes, Pending] = {}

    def __len__(self) -> int:
        return len(self._notes)

    def put(self, body: bytes, note: Pending) -> None:
        """Remember, or replace what is remembered; the oldest decision is forgotten where there are too many."""
        self._notes[body] = note
        if len(self._notes) > MAX_PENDING:
            del self._notes[next(iter(self._notes))]

    def get(self, body: bytes) -> Pending | None:
        """Return the pending decision, if it is still kept."""
        return self._notes.get(body)

    def state(self) -> list[list[Any]]:
        """All notes, the oldest first, fit for JSON."""
        return [[body.hex(), *note] for body, note in self._notes.items()]

    def restore(self, state: Sequence[Sequence[Any]]) -> None:
        """Continue from what :meth:`state` gave."""
        self._notes = {bytes.fromhex(body): tuple(note) for body, *note in state}  # type: ignore[misc]  # of plain values
