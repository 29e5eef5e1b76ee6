"""A PostgreSQL database, over psycopg 3.

It may be behind a pooler in transaction mode, such as PgBouncer: no option is sent at start-up, no statement is
prepared under a name, and time limits are set in each transaction.
"""

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
from banditroute.store.databases.base import ADDRESS, LOGGING_NAME, T, WriteConflict, hide_rows
from banditroute.store.databases.bulk import array_numbering, json_insertion
from banditroute.store.schema.tables import ARRIVALS_DRAWN, Row

PATIENCE = 2.0
"""How long a transaction is tried again while others are in its way, or the server restarts [s]."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0
_POOL_PATIENCE, _CONNECT_PATIENCE = 1.0, 2
# Writing gives up early, because records can wait on local disk; reading gives up after the server's own limit.
_WRITING_PATIENCE, _READING_PATIENCE = 2.5, 6.0
# An index answers every query here best. With statistics from a time when the log was short, the planner would
# read the whole log instead. Queries that must read it then look expensive, and compiling them does not pay.
SETTINGS = {
    "statement_timeout": "5s",
    "lock_timeout": "2s",
    "idle_in_transaction_session_timeout": "10s",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
}
"""Settings of each transaction."""

# Serialisation failure, deadlock, lock not available; the server is shut down, crashed or starting up.
_AGAIN = frozenset({"40001", "40P01", "55P03", "57P01", "57P02", "57P03"})
_CONNECTION_CLASS = "08"
_NO_DATABASE = "3D000"
# Only these may be the fault of a record: data exceptions and violated constraints. After any other error (no
# privilege, no table during a restore, an internal error of the server) the same record can be stored later.
_FAULTS_OF_RECORDS = frozenset({"22", "23"})

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
    """A database on a server; see :class:`~banditroute.store.databases.base.Database`.

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
        """Write over a separate connection, without a limit on the time of a statement.

        It waits for locks no longer than other transactions, because those wait behind it.
        """

        def unhurried(connection: Connection) -> T:
            connection.execute(_UNHURRIED)
            # Without this the statement of a killed process would run to its end, with its locks. Servers before
            # version 14 cannot check.
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
        """Read one snapshot of the database, by the isolation level of the transaction."""
        connection.execute(_ONE_MOMENT)

    def must_exist(self) -> None:
        """Do nothing: connecting fails if there is no database."""

    def require_private(self) -> None:
        """Do nothing: a server checks its users."""

    def lock_schema(self, connection: Connection) -> None:
        """Take one lock for the whole database."""
        connection.execute(_LOCK, {"key": _SCHEMA_KEY})

    def lock_journal(self, connection: Connection, key: int, *, wait: bool) -> bool:
        """Take an advisory lock that ends with the transaction, so that a dead worker cannot hold it."""
        if wait:
            connection.execute(_LOCK, {"key": key})
            return True
        return bool(connection.scalar(_TRY_LOCK, {"key": key}))

    def arrivals(self, connection: Connection, count: int) -> Sequence[int]:
        """Draw numbers from a sequence, many at a time for each thread; they increase, and may have gaps."""
        drawn = self._stock.arrivals
        while len(drawn) < count:
            first = int(connection.execute(_DRAW).scalar_one())
            drawn.extend(range(first, first + ARRIVALS_DRAWN))
        return [drawn.popleft() for _ in range(count)]

    def insert(self, connection: Connection, table: Table, rows: Sequence[Row]) -> int:
        """Insert all rows in one statement, passed as one value."""
        statement, columns = json_insertion(table, rows)
        return connection.exec_driver_sql(statement, columns).rowcount

    def number(self, connection: Connection, table: Table, rows: Mapping[int, tuple[int, ...]]) -> None:
        """Number all rows in one statement."""
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
        """Do nothing: the child does not use the connections of its parent."""

    def after_fork(self, *, in_child: bool) -> None:
        """In the child, drop the parent's connections without closing them."""
        if in_child:
            self._stock = _Stock()
            for engine in (self._writing, self._reading):
                engine.dispose(close=False)

    def dispose(self) -> None:
        """Close every connection."""
        for engine in (self._writing, self._reading):
            engine.dispose()


def _engine(url: URL, patience: float, **settings: Any) -> Engine:
    """Return an engine whose connections break if an answer takes longer than ``patience`` [s]."""
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
            # A pooler gives each transaction another connection, which does not have the prepared statements.
            connect_args={"connect_timeout": _CONNECT_PATIENCE, "prepare_threshold": None},
        )
    except ImportError:
        raise MissingDependencyError(
            "a PostgreSQL store needs psycopg; install it with: pip install 'banditroute[postgres]'"
        ) from None
    give_up_after(engine, patience)

    @event.listens_for(engine, "begin")
    def _set_limits(connection: Connection) -> None:
        # No query, after which the isolation level could not be set any more; all statements in one message.
        connection.exec_driver_sql(";".join(f"SET LOCAL {name} = '{value}'" for name, value in SETTINGS.items()))

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
    """Turn an error of the database into one sentence that contains no value of a record.

    Raises:
        StoreError: for an error that can be the fault of a record.
        StoreUnavailableError: for any other error.
    """
    try:
        yield
    except BanditRouteError:
        raise
    except NoConnectionError:
        raise StoreUnavailableError(f"{doing}: database unavailable (every connection is in use)") from None
    except DBAPIError as error:
        state, cause = _state(error), _cause(error)
        # The driver's message quotes the row, and tools that report errors follow the chain of causes.
        error.args = (cause,)
        if error.orig is not None:
            error.orig.args = (cause,)
        if state[:2] in _FAULTS_OF_RECORDS or (not state and type(error.orig).__name__ == "DataError"):
            raise StoreError(f"{doing}: refused by the database ({cause})") from None
        code = ADDRESS if state == _NO_DATABASE else None
        raise StoreUnavailableError(f"{doing}: database unavailable ({cause})", code=code) from None
    except SQLAlchemyError as error:
        raise StoreUnavailableError(f"{doing}: the database failed ({type(error).__name__})") from None


def _cause(error: DBAPIError) -> str:
    """Return the server's message without the names and values that it quotes."""
    name = type(error.orig).__name__
    if state := _state(error):
        constraint = getattr(getattr(error.orig, "diag", None), "constraint_name", None)
        return f"{name} {state}" + (f", {constraint}" if constraint else "")
    lines = str(error.orig).splitlines() or [name]
    return re.sub(r"\"[^\"]*\"|'[^']*'", "…", lines[0])[:160]
