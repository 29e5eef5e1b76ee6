"""The two writes of an open store to the log of its router: append, then fold."""

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
"""Rows per background fold: a larger number keeps other workers from folding for longer."""

EXPIRE_EVERY_S = 3_600.0

T = TypeVar("T")


class RouterLog:
    """Writes one worker's records to the log of its router; any thread may use it.

    In a database with one writer at a time, a call appends and folds in one transaction. Otherwise a call only
    appends, and the commit of that is the acknowledgement; :meth:`fold` runs later: the worker that gets the
    journal's lock folds the rows of all workers, and the others do not wait for it.
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
        """Make the records durable, all or none, except those whose result is an error.

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
        """Number all waiting rows, and learn the waiting feedback.

        Raises:
            StoreUnavailableError: when the database cannot do it now.
        """
        while self._fold(LIMIT, wait=True) == LIMIT:
            pass

    def help_folding(self) -> bool:
        """Fold some of the waiting rows, unless another worker is folding; raises as :meth:`fold` does.

        Returns whether more rows wait.
        """
        return self._fold(HELPING, wait=False) == HELPING

    def health(self) -> dict[str, Any]:
        """Return what this worker measured."""
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
        self.appender.resolve_waiting(connection)
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
        """Drop what was cached: rows read or written in a failed transaction may not exist any more."""
        self.appender.forget()
        self.folder.forget()


def _lock_key(store_id: str, router_id: int) -> int:
    digest = hashlib.blake2b(f"{store_id}/{router_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
