"""One worker's access to the log of its router: append, then fold."""

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from sqlalchemy import Connection

from banditroute.core.log import LogRecord
from banditroute.store.base import Fold, Resolve
from banditroute.store.databases.base import Database
from banditroute.store.semantics.results import WriteResults
from banditroute.store.sql.append import Appender
from banditroute.store.sql.fold import LIMIT, Folder

HELPING = 500
"""Rows in one background fold: the more, the longer it holds up other workers that want to fold."""

EXPIRE_EVERY_S = 3_600.0

T = TypeVar("T")


class RouterLog:
    """One worker's way to the log of its router; any thread may use it.

    Where one transaction writes at a time, a call appends and folds in one. Elsewhere it only appends, which is
    the acknowledgement, and :meth:`fold` is for later: the worker that holds the journal's lock folds the rows of
    all workers, the others move on.

    Attributes:
        appender: Writes records into the log.
        folder: Adds them to the sums.
        journal: Number of the lock under which one worker folds.
    """

    def __init__(
        self,
        database: Database,
        store_id: str,
        router_id: int,
        worker: str,
        fold: Fold,
        resolve: Resolve,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self.journal = _lock_key(store_id, router_id)
        self._lock = threading.Lock()
        self.appender = Appender(database, router_id, worker, resolve)
        self.folder = Folder(database, router_id, fold)
        self._clock = clock
        self._drained_at = clock()
        self._expire_at = self._drained_at

    def __call__(self, records: Sequence[LogRecord]) -> WriteResults:
        """Make the records durable, all or none, but those whose result is an error.

        Raises:
            StoreError: for records that contradict the log.
            StoreUnavailableError: when the database cannot take them now.
        """

        def work(connection: Connection) -> WriteResults:
            results = self.appender.append(connection, records)
            if self._database.one_writer:
                self._fold_all(connection)
            return results

        return self._write("records not stored", work)

    def fold(self) -> None:
        """Number and learn all that waits.

        Raises:
            StoreUnavailableError: when the database cannot do it now.
        """
        while self._fold(LIMIT, wait=True) == LIMIT:
            pass

    def help_folding(self) -> bool:
        """Number and learn some of what waits, unless somebody else is at it; raises as :meth:`fold` does.

        Only some, and it says whether there is more.
        """
        return self._fold(HELPING, wait=False) == HELPING

    def health(self) -> dict[str, Any]:
        """Return the counts of this worker."""
        return {
            "lag_s": max(self._clock() - self._drained_at, 0.0),
            "rebuilt_sums": self.folder.rebuilt,
            "refused_reports": self.appender.refused_reports,
            "expired": self.appender.expired,
        }

    def _fold(self, limit: int, *, wait: bool) -> int:
        def work(connection: Connection) -> int:
            if not self._database.lock_journal(connection, self.journal, wait=wait):
                return 0
            return self._fold_some(connection, limit)

        return self._write("log not folded", work)

    def _fold_all(self, connection: Connection) -> None:
        while self._fold_some(connection, LIMIT) == LIMIT:
            pass

    def _fold_some(self, connection: Connection, limit: int) -> int:
        self.appender.resolve(connection)
        count = self.folder.fold(connection, limit)
        if self._clock() >= self._expire_at:
            self._expire_at = self._clock() + EXPIRE_EVERY_S
            self.appender.expire(connection)
        if count < limit:
            self._drained_at = self._clock()
        return count

    def _write(self, doing: str, work: Callable[[Connection], T]) -> T:
        attempts = 0

        def attempt(connection: Connection) -> T:
            nonlocal attempts
            attempts += 1
            if attempts > 1:
                self._forget()
            return work(connection)

        with self._lock:
            try:
                return self._database.write(doing, attempt)
            except BaseException:
                self._forget()
                raise

    def _forget(self) -> None:
        """Drop caches: what a failed transaction read or wrote may be wrong."""
        self.appender.forget()
        self.folder.forget()


def _lock_key(store_id: str, router_id: int) -> int:
    digest = hashlib.blake2b(f"{store_id}/{router_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
