"""The outbox: appends records to the store, and counts those that could not be stored."""

import logging
import time
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

PACED_FROM = 2_000
"""Number of waiting appends from which callers are slowed down; a writer takes about as many in half a second."""

SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.0005, 0.005

_log = logging.getLogger("banditroute")

_CALLERS = (DecisionExpiredError, FeedbackConflictError, InvalidOutcomeError, UnknownArmError)
"""Errors in a report; its receipt raises them, so they are not counted as lost records."""


class Outbox:
    """Appends to the store without waiting, and counts failures even if no caller waits for the receipt.

    Attributes:
        lost: Number of records that could not be stored.
        last_error: Reason of the last failure; empty if there is none.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.lost = 0
        self.last_error = ""

    def pace(self) -> None:
        """Pause briefly if many appends wait: without it, callers that never pause starve the writer thread.

        The queue would grow without limit, and with it the time until a decision is on stable storage. Call it
        without a lock.
        """
        excess = self._store.backlog - PACED_FROM
        if excess > 0:
            time.sleep(min(SHORTEST_PAUSE_S * (1.0 + excess / PACED_FROM), LONGEST_PAUSE_S))

    def put(self, records: Sequence[LogRecord]) -> "Future[ReceiptStatus]":
        """Append records; return the store's future."""
        stored = self._store.append(records)
        if not stored.done() or stored.exception() is not None:
            stored.add_done_callback(partial(self._count_failure, len(records)))
        return stored

    def flush(self) -> None:
        """Wait until all records so far are on stable storage.

        Raises:
            StoreUnavailableError: if a record could not be stored since the opening.
        """
        self._store.flush()
        if self.lost:
            raise StoreUnavailableError(f"{self.lost} records could not be stored; the last: {self.last_error}")

    def _count_failure(self, count: int, stored: "Future[ReceiptStatus]") -> None:
        error = stored.exception()
        if error is not None and not isinstance(error, _CALLERS):
            self.lost += count
            self.last_error = f"{type(error).__name__}: {error}"
            _log.error("%d records could not be stored: %s", count, self.last_error)
