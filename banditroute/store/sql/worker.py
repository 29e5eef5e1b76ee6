"""One open store: the threads of the worker, its spool, its writer and its reader."""

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from banditroute.core.log import LogRecord
from banditroute.core.runtime.periodic import GuardedCall, PeriodicThread, jittered
from banditroute.errors import StoreError, StoreUnavailableError
from banditroute.store.base import Fold, Resolve
from banditroute.store.databases.base import Database
from banditroute.store.semantics.results import Commit, WriteResults
from banditroute.store.spool.commit import RETRYABLE, SpoolingCommit
from banditroute.store.spool.directory import Spools
from banditroute.store.sql.log import RouterLog
from banditroute.store.sql.read import LogReader
from banditroute.store.sql.rows import safe_reason
from banditroute.store.sql.writer import Writer

FOLD_S = 0.2
"""How often a worker tries to fold waiting rows, unless another worker is folding [s]."""

_log = logging.getLogger("banditroute")


@dataclass(frozen=True, slots=True)
class RouterLocation:
    """Where a router's log is: the id of the store, the id of the router, and whether it was created just now."""

    store_id: str
    router_id: int
    created: bool


@dataclass(frozen=True, slots=True)
class _Session:
    """What a worker uses while it is connected; ``log`` appends, ``folding`` folds (the same where one writes)."""

    location: RouterLocation
    log: RouterLog
    folding: RouterLog
    reader: LogReader


class StoreWorker:
    """One worker of one router; the database may be unavailable at the start, or become unavailable later.

    Where folding and appending can run at the same time, a separate thread folds over its own connection, so that
    no append waits for a fold.

    Args:
        database: Where the log is.
        connect: Finds or creates the router; raises StoreUnavailableError while the database is unavailable.
        log_class: Class of the router's log.
        worker: Name of this worker.
        fold, resolve: As in :meth:`~banditroute.store.Store.open`.
        spools: Where records wait while the database is unavailable; without it they are refused.
    """

    def __init__(
        self,
        database: Database,
        connect: Callable[[], RouterLocation],
        log_class: type[RouterLog],
        worker: str,
        fold: Fold,
        resolve: Resolve,
        spools: Spools | None,
    ) -> None:
        self.database = database
        self._connect = connect
        self._log_class = log_class
        self._worker = worker
        self._fold, self._resolve = fold, resolve
        self._connecting = threading.Lock()
        self._current: _Session | None = None
        self._spooling = None if spools is None else SpoolingCommit(self._commit, spools)
        commit: Commit = self._commit if self._spooling is None else self._spooling
        spool_tick = (
            None if self._spooling is None else GuardedCall("the replay of the spool", self._spooling.tick)
        )
        self.writer = Writer(commit, spool_tick)
        self.folder = (
            None if database.one_writer else PeriodicThread(self._help, name="fold", pause=jittered(FOLD_S))
        )

    def start_spooling(self, error: StoreUnavailableError) -> None:
        """Write records to the spool from now on, because the database is unavailable; a spool must exist."""
        assert self._spooling is not None
        self._spooling.start_spooling(error)

    @property
    def _is_offline(self) -> bool:
        return self._spooling is not None and self._spooling.state == "spooling"

    @property
    def location(self) -> RouterLocation:
        """Where the log is; raises StoreUnavailableError while the database is unavailable."""
        return self._online_session().location

    @property
    def reader(self) -> LogReader:
        """Reads the log; raises StoreUnavailableError while the database is unavailable."""
        return self._online_session().reader

    @property
    def folding(self) -> RouterLog:
        """Folds the log; raises StoreUnavailableError while the database is unavailable."""
        return self._online_session().folding

    def catch_up(self) -> None:
        """Import records left by crashed workers. Errors are logged and never prevent opening."""
        try:
            if self._spooling is not None:
                self._spooling.replay()
            self.session().folding.fold()
        except Exception as error:  # noqa: BLE001  (no error of this kind may prevent opening)
            _log.error("records left by crashed workers were not folded: %s", safe_reason(error))

    def flush(self) -> None:
        """Wait until all appended records are durable or refused and, if the database is up, in the journal."""
        self.writer.flush()
        # Spooled records are durable too; they get their numbers when the database is back.
        with suppress(StoreUnavailableError):
            self._fold_rest()

    def health(self) -> dict[str, Any]:
        """Return what this worker measured of the database, and how many records wait for it."""
        facts: dict[str, Any] = {"state": "healthy"}
        if self._current is not None:
            facts |= self._current.folding.health()
        if self._spooling is not None:
            facts |= {
                "state": self._spooling.state,
                "spooled": self._spooling.waiting,
                "spool_bytes": self._spooling.spool_bytes,
                "dropped": self._spooling.dropped,
                "set_aside": self._spooling.set_aside,
            }
            if self._spooling.last_error:
                facts["last_error"] = self._spooling.last_error
        return facts

    def close(self) -> None:
        """Store the queued records and release the database.

        If one of the worker's own threads garbage-collects the store, a new thread closes it: a thread cannot
        join itself.
        """
        own_threads = {self.writer.thread} | ({self.folder.thread} if self.folder is not None else set())
        if threading.current_thread() in own_threads:
            threading.Thread(target=self._close, name="banditroute-closing").start()
        else:
            self._close()

    def _close(self) -> None:
        self.stop()
        if self._spooling is not None:
            self._spooling.close()
        try:
            # A worker that never connected has nothing to fold, and may have been refused.
            if self._current is not None:
                with suppress(StoreError):
                    self._fold_rest()
        finally:
            self.database.dispose()

    def stop(self) -> None:
        """Store the queued records, and end the threads."""
        self.writer.close()
        if self.folder is not None:
            self.folder.stop()

    def abandon(self) -> None:
        """Release the spool in a forked child, because the parent goes on using it."""
        if self._spooling is not None:
            self._spooling.abandon()

    def _commit(self, records: Sequence[LogRecord]) -> WriteResults:
        session = self.session()
        if not records:
            self.database.write("database not reached", _ping)
            return {}
        try:
            return session.log(records)
        except RETRYABLE:
            raise
        except Exception:  # noqa: BLE001  (whatever it was)
            # Only an error that comes again in a new transaction is the fault of these records.
            return session.log(records)

    def _help(self) -> bool:
        """Fold some of the waiting rows; while the database is unavailable, only the writer tries to reach it."""
        return self._current is not None and not self._is_offline and self._current.folding.help_folding()

    def _fold_rest(self) -> None:
        if not self.database.one_writer and not self._is_offline:
            self.session().folding.fold()

    def _online_session(self) -> _Session:
        # Before the first connection, only the writer tries to connect; every other call fails at once.
        if self._current is None and self._spooling is not None and self._is_offline:
            raise StoreUnavailableError(f"the database has not been reachable yet; {self._spooling.last_error}")
        return self.session()

    def session(self) -> _Session:
        """Return the session with the database; connects if there is none."""
        with self._connecting:
            if self._current is None:
                at = self._connect()
                log = self._log_of(at)
                folding = log if self.database.one_writer else self._log_of(at)
                reader = LogReader(self.database, at.router_id, self._worker)
                self._current = _Session(at, log, folding, reader)
            return self._current

    def _log_of(self, at: RouterLocation) -> RouterLog:
        return self._log_class(self.database, at.store_id, at.router_id, self._worker, self._fold, self._resolve)


def _ping(connection: Connection) -> None:
    connection.execute(select(1))
