"""SqlStore: the log of one router in a SQL database."""

import logging
import secrets
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, exists, func, insert, select, update

from banditroute.core.health import StoreHealth
from banditroute.core.log import ArmRecord, DecisionRecord, FeedbackRecord, LogRecord, Position, PreferencesRecord
from banditroute.core.receipt import ReceiptStatus
from banditroute.core.runtime import forks
from banditroute.core.runtime.private_files import require_private
from banditroute.core.spec import RouterSpec, StoredRouter
from banditroute.errors import StoreError, StoreUnavailableError
from banditroute.store.base import CLOSED, START, Fold, Resolve
from banditroute.store.databases.base import ADDRESS
from banditroute.store.databases.url import database_at
from banditroute.store.schema import tables
from banditroute.store.schema.version import check_version, create, found_version, store_id
from banditroute.store.semantics.compatibility import reconcile_spec
from banditroute.store.semantics.results import refused
from banditroute.store.spool.directory import Spools
from banditroute.store.sql.encode import REFUSED, preference_row, spec_json, to_spec
from banditroute.store.sql.erase import erase
from banditroute.store.sql.log import RouterLog
from banditroute.store.sql.read import read_router
from banditroute.store.sql.settings import write_new_arms
from banditroute.store.sql.worker import RouterLocation, StoreWorker

_log = logging.getLogger("banditroute")


def _new_worker() -> str:
    return secrets.token_hex(8)


class SqlStore:
    """Keeps the log of one router in a SQLite file or a PostgreSQL database, which other routers may share.

    A future of :meth:`append` is done after the commit and its fsync, so that neither a killed process nor a power
    cut loses the records. Records that are still queued are committed by :meth:`close`, which is also called when
    the store is garbage-collected or the interpreter ends. A forked child continues as another worker, with its
    own connections and thread; records queued in the parent are committed by the parent.

    Args:
        url: ``sqlite:///routing.db`` or ``postgresql+psycopg://user@host/database``.
        patience: How long a transaction waits for others [s]; the default depends on the database.
        spool: A directory on local disk where records wait while the database is unavailable; without one they
            are refused then.
        worker: Returns a new worker name on each call, at most 16 characters.

    Attributes:
        database: Where the log is.
        worker: The open worker, which writes and folds; None until the store is open.
    """

    ledger: type[RouterLog] = RouterLog

    def __init__(
        self,
        url: str,
        *,
        patience: float | None = None,
        spool: Path | None = None,
        worker: Callable[[], str] = _new_worker,
    ) -> None:
        self.database = database_at(url, patience=patience)
        self._spool = spool
        self._new_name = worker
        self.worker: StoreWorker | None = None
        self._forked = False
        self._starting = threading.Lock()

    def __repr__(self) -> str:
        return f"SqlStore({self.database.name!r})"

    def open(
        self,
        spec: RouterSpec,
        arms: Sequence[ArmRecord],
        preferences: PreferencesRecord,
        *,
        secret: bytes,
        fold: Fold,
        resolve: Resolve,
    ) -> StoredRouter:
        """Create the database and the router if needed, and start the writer."""
        if self.worker is not None:
            raise StoreError("the store is open already; open another one for another router")

        # These closures must not reference the store: the writer keeps them, and the store closes when collected.
        database, log_class, new_name, directory = self.database, self.ledger, self._new_name, self._spool

        def find(connection: Connection) -> RouterLocation:
            database.lock_schema(connection)
            version = found_version(connection)
            if version is None:
                create(connection)
            else:
                check_version(version)
            router = _find_or_create(connection, spec, arms, preferences, secret)
            return RouterLocation(store_id(connection), *router)

        database.require_private()
        if directory is not None:
            require_private("spool directory", directory)
        spools = None if directory is None else Spools(directory, tenant=spec.tenant, router=spec.name)

        def begin() -> StoreWorker:
            connect = partial(database.write, "store not opened", find)
            return StoreWorker(database, connect, log_class, new_name(), fold, resolve, spools)

        self._begin = begin
        opened = begin()
        try:
            stored = self._stored(opened, spec)
        except StoreUnavailableError as error:
            # A wrong URL is an error of the configuration, and waiting does not mend it.
            if spools is None or error.code == ADDRESS or not spools.usable():
                opened.close()
                raise
            opened.start_spooling(error)
            _log.warning(
                "router %r: database unavailable at start-up; spooling locally and loading the log once it is "
                "reachable: %s",
                spec.name,
                error,
            )
            secret = spools.secret(secret)
            stored = StoredRouter(spec, secret, tuple(arms), preferences, None, START, created=False, revision=-1)
        except BaseException:
            opened.close()
            raise
        self._start(opened)
        return stored

    def _stored(self, opened: StoreWorker, spec: RouterSpec) -> StoredRouter:
        at = opened.location
        if not at.created:
            opened.catch_up()
        with self.database.read("store not opened") as connection:
            stored = read_router(connection, at.router_id, with_snapshot=True)
        found = stored.spec
        shape = replace(
            spec, dimension=found.dimension, feature_names=found.feature_names, is_clipped=found.is_clipped
        )
        return replace(stored, spec=shape, created=at.created)

    @property
    def backlog(self) -> int:
        """Number of appends that wait for the writer."""
        return 0 if self.worker is None or self._forked else self.worker.writer.backlog

    def append(self, records: Sequence[LogRecord]) -> "Future[ReceiptStatus]":
        """Queue records; see :meth:`banditroute.store.Store.append`."""
        opened = self._worker_of_this_process()
        return refused() if opened is None else opened.writer.append(records)

    def flush(self) -> None:
        """Wait until all earlier appends are durable or refused."""
        self._require_open().flush()

    def end(self) -> Position:
        """Return the current end of the log."""
        return self._require_open().reader.end()

    def events(
        self, after: Position = START, up_to: Position | None = None, *, others: bool = False
    ) -> Iterator[DecisionRecord | FeedbackRecord]:
        """Read the journal; see :meth:`banditroute.store.Store.events`."""
        reader = self._require_open().reader
        return reader.events(after, reader.end() if up_to is None else up_to, others=others)

    def changed(self, revision: int) -> StoredRouter | None:
        """Return the stored router if its revision is not ``revision`` any more; else None."""
        return self._require_open().reader.changed(revision)

    def decision(self, body: bytes) -> tuple[DecisionRecord, tuple[FeedbackRecord, ...]] | None:
        """Return one decision with its feedback, or None."""
        opened = self._require_open()
        opened.writer.flush()
        return opened.reader.decision(body)

    @property
    def is_local(self) -> bool:
        """Whether the database is a file."""
        return self.database.one_writer

    is_shared = True

    def decisions_missing_outcome(self, group: str, *, since_us: int) -> list[tuple[int, bytes]]:
        """Return decisions without outcome; see :meth:`banditroute.store.Store.decisions_missing_outcome`."""
        return self._require_open().reader.decisions_missing_outcome(group, since_us)

    def decisions_with_source(self, source: str) -> list[bytes]:
        """Return the keys of decisions with feedback of a source."""
        return self._require_open().reader.decisions_with_source(source)

    def erase(self, bodies: Sequence[bytes]) -> None:
        """Blank personal data; see :meth:`banditroute.store.Store.erase`."""
        opened = self._require_open()
        opened.flush()
        self.database.write(
            "decisions not erased", lambda connection: erase(connection, opened.location.router_id, bodies)
        )

    def health(self) -> StoreHealth:
        """Return what waits, for how long, and what failed; see :meth:`banditroute.store.Store.health`."""
        facts: dict[str, Any] = {"database": self.database.kind, "available": False, "state": "closed"}
        opened = self._worker_of_this_process()
        if opened is None:
            return StoreHealth(**facts)
        facts |= opened.health()
        if self._is_closed:
            return StoreHealth(**facts | {"state": "closed"})
        try:
            router_id = opened.location.router_id
            facts["unreadable"] = opened.reader.skipped.count
            with self.database.read("health not known") as connection:
                facts |= _waiting(connection, router_id)
        except StoreError as error:
            state = "unavailable" if facts["state"] == "healthy" else facts["state"]
            return StoreHealth(**facts | {"last_error": str(error), "state": state})
        if not facts["pending"]:
            facts["lag_s"] = 0.0
        return StoreHealth(**facts | {"available": True})

    def close(self) -> None:
        """Commit the queued records and release the database."""
        if self.worker is not None:
            self._finalizer()

    def before_fork(self) -> None:
        """Close all connections before the process is copied."""
        self.database.before_fork()

    def after_fork(self, *, in_child: bool) -> None:
        """Allow connections again; the child becomes another worker when it first uses the store."""
        self.database.after_fork(in_child=in_child)
        if in_child:
            # The parent commits its queue and closes its connections; the child must not close either.
            self._finalizer.detach()
            if self.worker is not None:
                self.worker.abandon()
            self._starting = threading.Lock()
            self._forked = True

    def _start(self, opened: StoreWorker) -> None:
        self.worker = opened
        self._finalizer = weakref.finalize(self, opened.close)
        forks.register(self)

    def _worker_of_this_process(self) -> StoreWorker | None:
        if self._forked:
            with self._starting:
                if self._forked:
                    self._start(self._begin())
                    self._forked = False
        return self.worker

    def _require_open(self) -> StoreWorker:
        opened = self._worker_of_this_process()
        if opened is None:
            raise StoreUnavailableError("the store is not open; call open() first", code=CLOSED)
        if self._is_closed:
            # Reading would open connections that are never closed.
            raise StoreUnavailableError("the store is closed; open another one", code=CLOSED)
        return opened

    @property
    def _is_closed(self) -> bool:
        return not self._finalizer.alive


def _find_or_create(
    connection: Connection,
    spec: RouterSpec,
    arms: Sequence[ArmRecord],
    preferences: PreferencesRecord,
    secret: bytes,
) -> tuple[int, bool]:
    """Return the router's id, and whether it was created."""
    router = tables.router
    row = connection.execute(
        select(router).where(router.c.tenant == spec.tenant, router.c.name == spec.name)
    ).first()
    if row is None:
        router_id = _create(connection, spec, secret)
        write_new_arms(connection, router_id, arms)
        connection.execute(insert(tables.preference), preference_row(preferences, router_id))
        return router_id, True
    stored = to_spec(row.tenant, row.name, row.dimension, row.spec)
    current = reconcile_spec(stored, spec)
    changes: dict[str, Any] = {}
    if (text := spec_json(current)) != row.spec:
        changes |= {"spec": text}
    if current.dimension != stored.dimension:
        changes |= {"dimension": current.dimension}
    if (current.dimension, current.source_caps) != (stored.dimension, stored.source_caps):
        changes |= {"revision": row.revision + 1}
    if changes:
        connection.execute(update(router).where(router.c.router_id == row.router_id).values(changes))
    return row.router_id, False


def _create(connection: Connection, spec: RouterSpec, secret: bytes) -> int:
    row = {
        "tenant": spec.tenant,
        "name": spec.name,
        "dimension": spec.dimension,
        "spec": spec_json(spec),
        "secret": secret,
        "revision": 0,
        "compacted_learned": 0,
        "compacted_decided": 0,
        "horizon_us": 0,
    }
    return int(connection.execute(insert(tables.router).returning(tables.router.c.router_id), row).scalar_one())


def _waiting(connection: Connection, router_id: int) -> dict[str, int]:
    """Count the rows that wait for the fold or for their decision, and those that the fold refused."""
    decision, feedback, report = tables.decision.c, tables.feedback.c, tables.report.c
    known = exists().where(tables.with_decision)
    learnable = select(func.count()).where(feedback.router_id == router_id, feedback.learned.is_(None))
    queries = (
        select(func.count()).where(decision.router_id == router_id, decision.decided.is_(None)),
        learnable.where(known),
        learnable.where(~known),
        select(func.count()).where(report.router_id == router_id),
        select(func.count()).where(feedback.router_id == router_id, feedback.kind == REFUSED),
    )
    decisions, learnt, orphans, reports, refused = (connection.scalar(query) or 0 for query in queries)
    return {"pending": decisions + learnt, "orphans": orphans, "reports": reports, "quarantined": refused}
