"""This worker's own changes of arms, prices, preferences and dimension, until they are stored."""

from collections import deque
from concurrent.futures import Future

from banditroute.core.receipt import ReceiptStatus


class PendingChanges:
    """Tracks this worker's changes, so that settings read from the store before a change do not undo it."""

    def __init__(self) -> None:
        self._version = 0
        self._pending: deque[Future[ReceiptStatus]] = deque()

    def add(self, stored: "Future[ReceiptStatus]") -> None:
        """Note that a change was appended."""
        self._version += 1
        self._pending.append(stored)
        self._drop_stored()

    def version(self) -> int | None:
        """Return the number of changes, to compare after reading; None while a change is not stored yet."""
        self._drop_stored()
        return None if self._pending else self._version

    def _drop_stored(self) -> None:
        while self._pending and self._pending[0].done():
            self._pending.popleft()
