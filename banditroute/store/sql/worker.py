"""An open store: the writing thread, the spool, and the sessions that write and read."""

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
from banditroute.store.spool.commit import SpoolingCommit
from banditroute.store.spool.directory import Spools
from banditroute.store.sql.log import RouterLog
from banditroute.store.sql.read import LogReader
from banditroute.store.sql.rows import safe_reason
from banditroute.store.sql.writer import Writer

FOLD_S = 0.2
"""How often a worker looks for rows to fold, if no other worker folds [s]."""

_log = logging.getLogger("banditroute")


@dataclass(frozen=True, slots=True)
class RouterLocation:
    """Where a router's log is: which store, which router of it, and whether it was created just now."""

    store_id: str
    router_id: int
    created: bool


@dataclass(frozen=True, slots=True)
class _Session:
    entrance: RouterLocation
    ledger: RouterLog
    folding: RouterLog
    reader: LogReader


class StoreWorker:
    """One worker of one router; the database may not be there yet, or not any more.

    Where a transaction that folds keeps none that appends from it, a thread of its own folds, over a connection of
    its own: an append does not wait for a fold.

    Args:
        database: Where the log is.
        enter: Finds or creates the router there; raises StoreUnavailableError as long as it cannot.
        kind: The ledger's class.
        worker: This worker's name.
        fold, resolve: As in :meth:`~banditroute.store.Store.open`.
        spools: Where records wait while the database is away; without it they are refused.
    """

    def __init__(
        self,
        database: Database,
        enter: Callable[[], RouterLocation],
        kind: type[RouterLog],
        worker: str,
        fold: Fold,
        resolve: Resolve,
        spools: Spools | None,
    ) -> None:
        self.database = database
        self._connect = enter
        self._kind = kind
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
        """Let records wait in the spool, which there must be, since the database is away."""
        assert self._spooling is not None
        self._spooling.leave_alone(error)

    @property
    def _is_offline(self) -> bool:
        return self._spooling is not None and self._spooling.state == "spooling"

    @property
    def entrance(self) -> RouterLocation:
        """Where the log is; raises StoreUnavailableError while the database is away."""
        return self._online_session().entrance

    @property
    def reader(self) -> LogReader:
        """The log; raises StoreUnavailableError while the database is away."""
        return self._online_session().reader

    @property
    def folding(self) -> RouterLog:
        """Return the folding log; raises StoreUnavailableError while the database is unavailable."""
        return self._online_session().folding

    def catch_up(self) -> None:
        """Import records left by crashed workers. Errors are logged and never prevent opening."""
        try:
            if self._spooling is not None:
                self._spooling.replay()
            self.session().folding.fold()
        except Exception as error:  # noqa: BLE001  (it is all the same what it is)
            _log.error("what was left behind was not folded: %s", safe_reason(error))

    def flush(self) -> None:
        """Wait until all that was appended is settled and, if the database is there, in the journal."""
        self.writer.flush()
        # What is durable is settled; a database that is away gives the numbers when it is back.
        with suppress(StoreUnavailableError):
            self._fold_rest()

    def health(self) -> dict[str, Any]:
        """Return this worker's view of the database, and what is queued."""
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
        """Settle what is queued and let go of the database.

        Where one of its threads collects the store, in the middle of what it does, another one closes it.
        """
        mine = {self.writer.thread} | ({self.folder.thread} if self.folder is not None else set())
        if threading.current_thread() in mine:
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
        """Settle what is queued, and end the threads."""
        self.writer.close()
        if self.folder is not None:
            self.folder.stop()

    def abandon(self) -> None:
        """Let go of the spool in a forked child, whose parent goes on with it."""
        if self._spooling is not None:
            self._spooling.abandon()

    def _commit(self, records: Sequence[LogRecord]) -> WriteResults:
        ledger = self.session().ledger
        if not records:
            self.database.write("database not reached", _ask)
            return {}
        return ledger(records)

    def _help(self) -> bool:
        """Fold some of what waits; while the database is away, only the writer asks whether it is back."""
        return self._current is not None and not self._is_offline and self._current.folding.help_folding()

    def _fold_rest(self) -> None:
        if not self.database.one_writer and not self._is_offline:
            self.session().folding.fold()

    def _online_session(self) -> _Session:
        # While the database was never available, only the writer tries; other calls are refused at once.
        if self._current is None and self._spooling is not None and self._is_offline:
            raise StoreUnavailableError(f"the database was not there yet; {self._spooling.last_error}")
        return self.session()

    def session(self) -> _Session:
        """Return the session with the database; connects if there is none."""
        with self._connecting:
            if self._current is None:
                at = self._connect()
                ledger = self._log_of(at)
                folding = ledger if self.database.one_writer else self._log_of(at)
                reader = LogReader(self.database, at.router_id, self._worker)
                self._current = _Session(at, ledger, folding, reader)
            return self._current

    def _log_of(self, at: RouterLocation) -> RouterLog:
        return self._kind(self.database, at.store_id, at.router_id, self._worker, self._fold, self._resolve)


def _ask(connection: Connection) -> None:
    connection.execute(select(1))
