"""A log that outlives its process, in SQL."""

import weakref
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, insert, select, update

from banditroute.errors import StoreError, StoreUnavailableError
from banditroute.records import (
    ArmRecord,
    DecisionRecord,
    FeedbackRecord,
    LogRecord,
    Position,
    PreferencesRecord,
    RouterSpec,
    StoredRouter,
)
from banditroute.store import schema, tables
from banditroute.store.base import START, Fold
from banditroute.store.codec import preference_row, spec_json, to_spec
from banditroute.store.engine import LOCK_PATIENCE, reading_engine, translated, writing_engine
from banditroute.store.ledger import Ledger, write_arm
from banditroute.store.reader import (
    LogReader,
    arm_records,
    latest_preferences,
    log_end,
    newest_snapshot,
    price_history,
)
from banditroute.store.shape import fitted
from banditroute.store.url import database_path
from banditroute.store.writer import Writer, refused


@dataclass(frozen=True, slots=True)
class _Opened:
    writer: Writer
    reader: LogReader
    engines: tuple[Engine, Engine]

    def close(self) -> None:
        self.writer.close()
        for engine in self.engines:
            engine.dispose()


class SqlStore:
    """Keeps the log of one router in a SQLite file.

    A future of :meth:`append` is done after the commit and its fsync: neither a killed process nor a power cut
    loses it. Whatever is still queued is committed by :meth:`close`, which also happens by itself when the store
    is collected or the interpreter ends.
    """

    ledger: type[Ledger] = Ledger

    def __init__(self, url: str, *, patience: float = LOCK_PATIENCE) -> None:
        self._path = database_path(url)
        self._patience = patience
        self._opened: _Opened | None = None

    def __repr__(self) -> str:
        return f"SqlStore({self._path.name!r})"

    def open(
        self,
        spec: RouterSpec,
        arms: Sequence[ArmRecord],
        preferences: PreferencesRecord,
        *,
        secret: bytes,
        fold: Fold,
    ) -> StoredRouter:
        """Create the database and the router in it as needed, and start the writer."""
        if self._opened is not None:
            raise StoreError("the store is open already; open another one for another router")
        writing = writing_engine(self._path, patience=self._patience)
        try:
            with translated("store not opened"), writing.begin() as connection:
                version = schema.found_version(connection)
                if version is None:
                    schema.create(connection)
                else:
                    schema.check_version(version)
                router_id, stored = _load_or_create(connection, spec, arms, preferences, secret)
        except BaseException:
            writing.dispose()
            raise
        reading = reading_engine(self._path)
        writer = Writer(self.ledger(writing, router_id, fold))
        self._opened = _Opened(writer, LogReader(reading, router_id), (writing, reading))
        self._finalizer = weakref.finalize(self, self._opened.close)
        return stored

    def append(self, records: Sequence[LogRecord]) -> "Future[None]":
        """Queue records; see :meth:`banditroute.store.Store.append`."""
        return refused() if self._opened is None else self._opened.writer.append(records)

    def events(self, after: Position = START) -> Iterator[DecisionRecord | FeedbackRecord]:
        """Replay the log behind ``after``; see :meth:`banditroute.store.Store.events`."""
        opened = self._now_open()
        opened.writer.flush()
        return opened.reader.events(after)

    def decision(self, body: bytes) -> tuple[DecisionRecord, tuple[FeedbackRecord, ...]] | None:
        """One decision with its feedback, or None."""
        opened = self._now_open()
        opened.writer.flush()
        return opened.reader.decision(body)

    def close(self) -> None:
        """Commit what is queued and let go of the file."""
        if self._opened is not None:
            self._finalizer()

    def _now_open(self) -> _Opened:
        if self._opened is None:
            raise StoreUnavailableError("the store is not open; call open() first", code="store.closed")
        return self._opened


def _load_or_create(
    connection: Connection,
    spec: RouterSpec,
    arms: Sequence[ArmRecord],
    preferences: PreferencesRecord,
    secret: bytes,
) -> tuple[int, StoredRouter]:
    router = tables.router
    row = connection.execute(
        select(router).where(router.c.tenant == spec.tenant, router.c.name == spec.name)
    ).first()
    if row is None:
        router_id = _create(connection, spec, secret)
        for record in arms:
            write_arm(connection, router_id, record)
        connection.execute(insert(tables.preference), preference_row(preferences, router_id))
        return router_id, StoredRouter(spec, secret, tuple(arms), preferences, None, START, created=True)
    router_id = row.router_id
    current = fitted(to_spec(row.tenant, row.name, row.dimension, row.spec), spec)
    connection.execute(
        update(router)
        .where(router.c.router_id == router_id)
        .values(dimension=current.dimension, spec=spec_json(current))
    )
    return router_id, StoredRouter(
        current,
        row.secret,
        arm_records(connection, router_id),
        latest_preferences(connection, router_id),
        newest_snapshot(connection, router_id),
        log_end(connection, router_id),
        created=False,
        prices=price_history(connection, router_id),
    )


def _create(connection: Connection, spec: RouterSpec, secret: bytes) -> int:
    row = {
        "tenant": spec.tenant,
        "name": spec.name,
        "dimension": spec.dimension,
        "spec": spec_json(spec),
        "secret": secret,
    }
    return int(connection.execute(insert(tables.router).returning(tables.router.c.router_id), row).scalar_one())
