"""The outbox: records on their way to the store, and the count of those that it lost."""

import logging
from collections.abc import Sequence
from concurrent.futures import Future
from functools import partial

from banditroute.core.log import LogRecord
from banditroute.core.receipt import ReceiptStatus
from banditroute.errors import (
    DecisionExpiredError,
    FeedbackConflictError,
    InvalidOutcomeError,
    StoreUnavailableError,
    UnknownArmError,
)
from banditroute.store import Store

_log = logging.getLogger("banditroute")

_CALLERS = (DecisionExpiredError, FeedbackConflictError, InvalidOutcomeError, UnknownArmError)
"""Errors of a report, which its receipt raises."""


class Outbox:
    """Appends to the store without waiting, so that a failure is seen even where no caller waits for a receipt.

    Attributes:
        lost: How many records could not be stored.
        last_error: Why the last of them could not.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.lost = 0
        self.last_error = ""

    def put(self, records: Sequence[LogRecord]) -> "Future[ReceiptStatus]":
        """Append records; the future is the store's own."""
        stored = self._store.append(records)
        if not stored.done() or stored.exception() is not None:
            stored.add_done_callback(partial(self._look, len(records)))
        return stored

    def flush(self) -> None:
        """Wait until everything so far is on stable storage.

        Raises:
            StoreUnavailableError: if anything since the opening is not.
        """
        self._store.flush()
        if self.lost:
            raise StoreUnavailableError(f"{self.lost} records could not be stored; the last: {self.last_error}")

    def _look(self, count: int, stored: "Future[ReceiptStatus]") -> None:
        error = stored.exception()
        if error is not None and not isinstance(error, _CALLERS):
            self.lost += count
            self.last_error = f"{type(error).__name__}: {error}"
            _log.error("%d records could not be stored: %s", count, self.last_error)
