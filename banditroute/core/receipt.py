"""The receipt that ``feedback`` returns."""

import os
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from banditroute.errors import StoreUnavailableError

if TYPE_CHECKING:
    # It brings logging along, and code that reads a receipt has loaded it already.
    from concurrent.futures import Future

ReceiptStatus: TypeAlias = Literal["recorded", "duplicate", "buffered", "pending", "refused"]


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof that feedback was taken.

    Attributes:
        decision_id: The decision that it belongs to.

    The values count for the next choice at once. They are on stable storage when the receipt is done: call
    :meth:`wait`, or ``await`` it inside an event loop.
    """

    decision_id: str
    _known: ReceiptStatus = field(repr=False)
    _stored: "Future[ReceiptStatus]" = field(repr=False, compare=False)
    _process: int = field(default_factory=os.getpid, repr=False, compare=False)

    @property
    def status(self) -> ReceiptStatus:
        """The status of the report; final once the receipt is done.

        ``"recorded"``; ``"duplicate"`` when the same values had been recorded before (harmless); ``"buffered"``
        when they wait on local disk for the database; ``"pending"`` when their decision has not arrived yet;
        ``"refused"`` when they were not stored, for the reason that :meth:`wait` raises.
        """
        if not self._stored.done():
            return self._known
        if self._stored.exception() is not None:
            return "refused"
        return self._stored.result() if self._known == "recorded" else self._known

    @property
    def done(self) -> bool:
        """Whether the feedback is on stable storage (or failed to get there)."""
        return self._stored.done()

    def wait(self, timeout: float | None = None) -> "Receipt":
        """Block until the feedback is on stable storage, at most ``timeout`` [s].

        Raises:
            TimeoutError: if that takes longer.
            FeedbackConflictError: if another process had reported other values of this decision.
            DecisionExpiredError: if the decision is lost or was deleted.
            StoreError: if it could not be stored, or if a forked child waits for a receipt of its parent.
        """
        wait_until_stored(self._stored, self._process, timeout)
        return self

    def __await__(self) -> Generator[Any, None, "Receipt"]:
        import asyncio

        require_own(self._stored, self._process)
        yield from asyncio.wrap_future(self._stored).__await__()
        return self


def wait_until_stored(stored: "Future[ReceiptStatus]", process: int, timeout: float | None) -> None:
    """Block until the store has the records of ``stored``, at most ``timeout`` [s]; raise its error."""
    require_own(stored, process)
    stored.result(timeout)


def require_own(stored: "Future[ReceiptStatus]", process: int) -> None:
    """Refuse to wait for records that only the parent of this forked process can store.

    Raises:
        StoreUnavailableError: if ``process`` is not this one, and it had not stored the records before the fork.
    """
    if process != os.getpid() and not stored.done():
        raise StoreUnavailableError(
            "this record was made before the fork, by the parent process; only the parent can wait for it",
            code="store.forked",
        )
