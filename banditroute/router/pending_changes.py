"""This worker's own changes of arms, prices, preferences and dimension, until they are stored."""

from collections import deque
from concurrent.futures import Future

from banditroute.core.receipt import ReceiptStatus


class PendingChanges:
    """Tells whether what was read from the store may be older than what this worker changed since."""

    def __init__(self) -> None:
        self._count = 0
        self._on_their_way: deque[Future[ReceiptStatus]] = deque()

    def add(self, stored: "Future[ReceiptStatus]") -> None:
        """A change was appended."""
        self._count += 1
        self._on_their_way.append(stored)
        self._forget_stored()

    def mark(self) -> int | None:
        """A mark to compare after reading; None while a change is on its way, when reading is in vain."""
        self._forget_stored()
        return None if self._on_their_way else self._count

    def _forget_stored(self) -> None:
        while self._on_their_way and self._on_their_way[0].done():
            self._on_their_way.popleft()
