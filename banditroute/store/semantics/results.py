"""Per-record results of a group commit."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import TypeAlias

from banditroute.core.log import LogRecord
from banditroute.core.receipt import ReceiptStatus
from banditroute.errors import StoreUnavailableError
from banditroute.store.base import CLOSED

WriteResult: TypeAlias = ReceiptStatus | Exception

WriteResults: TypeAlias = Mapping[int, WriteResult]
"""Index of a record in the call → its result; records that are missing here were recorded."""

Commit: TypeAlias = Callable[[Sequence[LogRecord]], WriteResults]
"""Makes records durable, and returns the results other than ``"recorded"``.

Called from one thread. Raises:
    StoreUnavailableError: when the database cannot store anything now; the call may be repeated later.
    StoreError: when a record contradicts the log; then none of them was stored.
"""

_WEAKEST_FIRST: tuple[ReceiptStatus, ...] = ("pending", "buffered", "duplicate", "recorded")


def combine(results: Iterable[WriteResult]) -> WriteResult:
    """Combine the results of records that were appended together: the first error, else the weakest status.

    >>> combine(["recorded", "pending", "duplicate"])
    'pending'
    >>> combine([])
    'recorded'
    """
    weakest: ReceiptStatus = "recorded"
    for result in results:
        if isinstance(result, Exception):
            return result
        weakest = min(weakest, result, key=_WEAKEST_FIRST.index)
    return weakest


def refused() -> "Future[ReceiptStatus]":
    """Return the failed future of an append to a store that is not open."""
    future: Future[ReceiptStatus] = Future()
    future.set_exception(StoreUnavailableError("the store is not open; records not stored", code=CLOSED))
    return future
