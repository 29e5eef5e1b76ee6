"""What ``feedback`` answers."""

from collections.abc import Generator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

ReceiptStatus: TypeAlias = Literal["recorded", "duplicate", "buffered", "pending"]


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof that feedback was taken.

    Attributes:
        decision_id: The decision that it belongs to.
        status: ``"recorded"``; ``"duplicate"`` when the same values had been recorded before (harmless);
            ``"buffered"`` when they wait on local disk for the database; ``"pending"`` when their decision has
            not arrived yet.

    The values count for the next choice at once. They are on stable storage when the receipt is done: call
    :meth:`wait`, or ``await`` it inside an event loop.
    """

    decision_id: str
    status: ReceiptStatus
    _stored: "Future[ReceiptStatus]" = field(repr=False, compare=False)

    @property
    def done(self) -> bool:
        """Whether the feedback is on stable storage (or failed to get there)."""
        return self._stored.done()

    def wait(self, timeout: float | None = None) -> "Receipt":
        """Block until the feedback is on stable storage, at most ``timeout`` [s].

        Raises:
            TimeoutError: if that takes longer.
            StoreError: if it could not be stored.
        """
        self._stored.result(timeout)
        return self

    def __await__(self) -> Generator[Any, None, "Receipt"]:
        import asyncio

        yield from asyncio.wrap_future(self._stored).__await__()
        return self
