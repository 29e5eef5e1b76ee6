"""A PostgreSQL database, over psycopg 3."""

import logging
import math
import random
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, ClassVar

from sqlalchemy import (
    ARRAY,
    URL,
    Column,
    ColumnElement,
    Connection,
    Engine,
    LargeBinary,
    Table,
    any_,
    bindparam,
    create_engine,
    event,
    text,
)
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoConnectionError

from banditroute.errors import BanditRouteError, MissingDependencyError, StoreError, StoreUnavailableError
from banditroute.store.databases.base import LOGGING_NAME, T, WriteConflict, hide_rows
from banditroute.store.databases.bulk import array_numbering, json_insertion
from banditroute.store.schema.tables import ARRIVALS_DRAWN, Row

PATIENCE = 2.0
"""How long a transaction is tried again while others are in its way, or the server restarts [s]."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0
_POOL_PATIENCE, _CONNECT_PATIENCE = 1.0, 2
# Who writes gives up early, since records can wait on local disk; who reads, when the server would have.
_WRITING_PATIENCE, _READING_PATIENCE = 2.5, 6.0
# Every query here is best answered by an index. The planner may think otherwise where the statistics are those of
# yesterday, or the plan was made when the log was short, and read all of a log that grows. What must read all of
# it looks expensive then, and is not worth compiling.
_SETTINGS = (
    "-c statement_timeout=5s -c lock_timeout=2s -c idle_in_transaction_session_timeout=10s "
    "-c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off -c jit=off"
)

# Serialisation failure, deadlock, lock not available; the server is shut down, crashed or starting up.
_AGAIN = frozenset({"40001", "40P01", "55P03", "57P01", "57P02", "57P03"})
_CONNECTION_CLASS = "08"
# What the server may do later: it is full, busy or starting, cancelled it, only reads, or refuses this user.
_NOT_NOW_CLASSES = frozenset({"08", "25", "28", "40", "53", "55", "57", "58"})

_SCHEMA_KEY = int.from_bytes(b"banditrt", "big")
_TRY_LOCK, _LOCK = text("SELECT pg_try_advisory_xact_lock(:key)"), text("SELECT pg_advisory_xact_lock(:key)")
_DRAW = text("SELECT nextval('br_arrival')")
_ONE_MOMENT = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
_UNHURRIED = text("SET LOCAL statement_timeout = 0")
_MIND_THE_CLIENT = text("SET LOCAL client_connection_check_interval = '1s'")
_SIZE = text("SELECT pg_database_size(current_database())")

_jitter = random.SystemRandom()
_log = logging.getLogger("banditroute")


class _Stock(threading.local):
    """Numbers of arrivals that a thread has drawn."""

    def __init__(self) -> None:
        self.arrivals: deque[int] = deque()


class Postgres:
    """The routers in one database; see :class:`~banditroute.store.databases.base.Database`.

    Raises:
        MissingDependencyError: without the extra ``postgres``.
    """

    kind: ClassVar[str] = "postgresql"
    one_writer: ClassVar[bool] = False

    def __init__(self, url: URL, *, patience: float | None = None) -> None:
        self.name = f"postgresql database {url.database!r:.80}"
        self._url = url
        self._patience = PATIENCE if patience is None else patience
        # One connection appends, the other one folds.
        self._writing = _engine(url, _WRITING_PATIENCE, pool_size=2)
        reading = _engine(url, _READING_PATIENCE, pool_size=1, pool_pre_ping=True)
        self._reading = reading.execution_options(postgresql_readonly=True)
        self._stock = _Stock()

    def write(self, doing: str, work: Callable[[Connection], T]) -> T:
        """Do ``work``, and repeat it on conflicts or a restart of the server, until patience ends."""
        return self._done(self._writing, doing, work)

    def alter(self, doing: str, work: Callable[[Connection], T]) -> T:
        """Over a connection of its own, which waits for an answer as long as it takes.

        It waits for locks no longer than any other work, since all other transactions wait behind it.
        """

        def unhurried(connection: Connection) -> T:
            connection.execute(_UNHURRIED)
            # Else what a dead process began would go on, and keep its locks to the end; older servers cannot tell.
            with suppress(DBAPIError), connection.begin_nested():
                connection.execute(_MIND_THE_CLIENT)
            return work(connection)

        engine = _engine(self._url, math.inf, pool_size=1)
        try:
            return self._done(engine, doing, unhurried)
        finally:
            engine.dispose()

    def _done(self, engine: Engine, doing: str, work: Callable[[Connection], T]) -> T:
        deadline = time.monotonic() + self._patience
        pause = _FIRST_PAUSE
        with translated(doing):
            while True:
                try:
                    with engine.begin() as connection:
                        return work(connection)
                except WriteConflict:
                    if time.monotonic() > deadline:
                        raise StoreUnavailableError(f"{doing}: other workers were always first") from None
                    continue
                except DBAPIError as error:
                    wait = pause * _jitter.uniform(0.5, 1.0)
                    if not _may_go_again(error) or time.monotonic() + wait > deadline:
                        raise
                time.sleep(wait)
                pause = min(2 * pause, _LONGEST_PAUSE)

    @contextmanager
    def read(self, doing: str) -> Iterator[Connection]:
        """A transaction that is marked as read-only."""
        with translated(doing), self._reading.begin() as connection:
            yield connection

    def hold_still(self, connection: Connection) -> None:
        """Fix one moment by the isolation of the transaction."""
        connection.execute(_ONE_MOMENT)

    def must_exist(self) -> None:
        """Do nothing: connecting fails if there is no database."""

    def lock_schema(self, connection: Connection) -> None:
        """Take one lock for the whole database."""
        connection.execute(_LOCK, {"key": _SCHEMA_KEY})

    def lock_journal(self, connection: Connection, key: int, *, wait: bool) -> bool:
        """An advisory lock that ends with the transaction, so that no dead worker can hold it."""
        if wait:
            connection.execute(_LOCK, {"key": key})
            return True
        return bool(connection.scalar(_TRY_LOCK, {"key": key}))

    def arrivals(self, connection: Connection, count: int) -> Sequence[int]:
        """From a sequence, a stock at a time for each thread: with gaps, never twice, and in its order."""
        drawn = self._stock.arrivals
        while len(drawn) < count:
            first = int(connection.execute(_DRAW).scalar_one())
            drawn.extend(range(first, first + ARRIVALS_DRAWN))
        return [drawn.popleft() for _ in range(count)]

    def insert(self, connection: Connection, table: Table, rows: Sequence[Row]) -> int:
        """All rows in one statement, as one value."""
        statement, columns = json_insertion(table, rows)
        return connection.exec_driver_sql(statement, columns).rowcount

    def number(self, connection: Connection, table: Table, rows: Mapping[int, tuple[int, ...]]) -> None:
        """Insert all rows in one statement."""
        statement, columns = array_numbering(table, rows)
        connection.exec_driver_sql(statement, columns)

    def among(self, column: Column[bytes], name: str) -> ColumnElement[bool]:
        """Compare with one array."""
        return column == any_(bindparam(name, type_=ARRAY(LargeBinary)))

    def back_up(self) -> str | None:
        """Do nothing: a server has backups of its own."""
        return None

    def size(self, connection: Connection) -> int:
        """Return the size that the server reports [bytes]."""
        return int(connection.execute(_SIZE).scalar_one())

    def before_fork(self) -> None:
        """Do nothing: a connection that the child does not use does no harm there."""

    def after_fork(self, *, in_child: bool) -> None:
        """In the child, leave the parent's connections alone, without a word to the server."""
        if in_child:
            self._stock = _Stock()
            for engine in (self._writing, self._reading):
                engine.dispose(close=False)

    def dispose(self) -> None:
        """Close every connection."""
        for engine in (self._writing, self._reading):
            engine.dispose()


def _engine(url: URL, patience: float, **settings: Any) -> Engine:
    """Writing never waits for a reader.

    What reads finds out first whether its connection is alive; what writes is done again if it was not.
    """
    options = url.query.get("options", "")
    theirs = options if isinstance(options, str) else " ".join(options)
    try:
        from banditroute.store.databases.postgres_timeout import give_up_after

        hide_rows()
        engine = create_engine(
            url,
            max_overflow=0,
            pool_timeout=_POOL_PATIENCE,
            hide_parameters=True,
            logging_name=LOGGING_NAME,
            **settings,
            connect_args={"connect_timeout": _CONNECT_PATIENCE, "options": f"{_SETTINGS} {theirs}".strip()},
        )
    except ImportError:
        raise MissingDependencyError(
            "a PostgreSQL store needs psycopg; install it with: pip install 'banditroute[postgres]'"
        ) from None
    give_up_after(engine, patience)

    @event.listens_for(engine, "first_connect")
    def _warn(connection: Any, _record: object) -> None:
        if connection.execute("SHOW synchronous_commit").fetchone()[0] == "off":
            _log.warning(
                "PostgreSQL runs with synchronous_commit=off: a crash may lose feedback that was acknowledged"
            )
        connection.rollback()

    return engine


def _may_go_again(error: DBAPIError) -> bool:
    state = _state(error)
    # psycopg gives no state for a connection that was refused or lost.
    return state in _AGAIN or state[:2] == _CONNECTION_CLASS or (not state and _is_operational(error))


def _state(error: DBAPIError) -> str:
    return getattr(error.orig, "sqlstate", None) or ""


def _is_operational(error: DBAPIError) -> bool:
    return type(error.orig).__name__ in ("OperationalError", "ConnectionTimeout", "InterfaceError")


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn whatever the database or a record's encoding raises into one sentence, without any bound value.

    Raises:
        StoreUnavailableError: when the database cannot do it now (away, full, busy, only for reading).
        StoreError: when it never will.
    """
    try:
        yield
    except BanditRouteError:
        raise
    except NoConnectionError:
        raise StoreUnavailableError(f"{doing}: database unavailable (every connection is in use)") from None
    except DBAPIError as error:
        state, cause = _state(error), _cause(error)
        # The driver's words quote the row, and who reports errors may follow their chain.
        error.args = (cause,)
        if error.orig is not None:
            error.orig.args = (cause,)
        if state[:2] in _NOT_NOW_CLASSES or (not state and _is_operational(error)):
            raise StoreUnavailableError(f"{doing}: database unavailable ({cause})") from None
        raise StoreError(f"{doing}: refused by the database ({cause})") from None
    except SQLAlchemyError as error:
        raise StoreError(f"{doing}: the database failed ({type(error).__name__})") from None


def _cause(error: DBAPIError) -> str:
    """Return the server's message without the names and values that it quotes."""
    name = type(error.orig).__name__
    if state := _state(error):
        constraint = getattr(getattr(error.orig, "diag", None), "constraint_name", None)
        return f"{name} {state}" + (f", {constraint}" if constraint else "")
    lines = str(error.orig).splitlines() or [name]
    return re.sub(r"\"[^\"]*\"|'[^']*'", "…", lines[0])[:160]
