"""Connections to a SQLite file: one engine that writes, one that only reads."""

import logging
import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from banditroute.errors import BanditRouteError, StoreError, StoreUnavailableError

_LOG_NAME = "banditroute"

LOCK_PATIENCE = 5.0
"""How long a transaction waits for another process's [s]."""

# SQLite's own waiting backs off, and so starves one of several processes; short jittered waits serve all alike.
_SHORTEST_WAIT, _LONGEST_WAIT = 0.0005, 0.002
_jitter = random.SystemRandom()


def writing_engine(path: Path, *, patience: float = LOCK_PATIENCE) -> Engine:
    """An engine whose every transaction is the only one that writes; creates the file."""
    engine = _engine(f"{path.absolute().as_uri()}?mode=rwc", timeout=0.0)

    @event.listens_for(engine, "connect")
    def _configure(connection: sqlite3.Connection, _record: object) -> None:
        # Switching to WAL takes a lock for which SQLite does not wait.
        mode = _patiently(lambda: connection.execute("PRAGMA journal_mode = WAL").fetchone()[0], patience)
        connection.execute("PRAGMA synchronous = FULL")
        level = connection.execute("PRAGMA synchronous").fetchone()[0]
        if (mode, level) != ("wal", 2):
            raise StoreError(
                f"SQLite answered journal_mode={mode!r}, synchronous={level!r} instead of 'wal', 2; "
                "is the file on a network file system?"
            )

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        _patiently(lambda: connection.exec_driver_sql("BEGIN IMMEDIATE"), patience)

    return engine


def reading_engine(path: Path) -> Engine:
    """An engine that can change nothing, and never creates the file."""
    # Not mode=ro: such a connection, if it is the last, leaves the write-ahead log lying beside the database.
    engine = _engine(f"{path.absolute().as_uri()}?mode=rw", timeout=LOCK_PATIENCE)

    @event.listens_for(engine, "connect")
    def _only_read(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA query_only = ON")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


def _engine(uri: str, *, timeout: float) -> Engine:
    def connect() -> sqlite3.Connection:
        # isolation_level=None: the driver starts no transactions of its own.
        return sqlite3.connect(uri, uri=True, timeout=timeout, isolation_level=None, check_same_thread=False)

    engine = create_engine(
        "sqlite://", creator=connect, poolclass=QueuePool, hide_parameters=True, logging_name=_LOG_NAME
    )
    # At DEBUG SQLAlchemy logs every row that it reads, secrets too, whether parameters are hidden or not.
    logging.getLogger(f"sqlalchemy.engine.Engine.{_LOG_NAME}").addFilter(_not_a_row)

    @event.listens_for(engine, "connect")
    def _protect(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA trusted_schema = OFF")

    return engine


def _not_a_row(record: logging.LogRecord) -> bool:
    return record.levelno > logging.DEBUG


def _patiently(attempt: Any, patience: float) -> Any:
    deadline = time.monotonic() + patience
    while True:
        try:
            return attempt()
        except (sqlite3.OperationalError, OperationalError) as error:
            if not _is_busy(error) or time.monotonic() > deadline:
                raise
        time.sleep(_jitter.uniform(_SHORTEST_WAIT, _LONGEST_WAIT))


def _is_busy(error: sqlite3.OperationalError | OperationalError) -> bool:
    original = error.orig if isinstance(error, OperationalError) else error
    code = getattr(original, "sqlite_errorcode", 0)
    return code & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn whatever the database or a record's encoding raises into one sentence, without any bound value.

    Raises:
        StoreUnavailableError: when the database cannot do it now (locked, full, away).
        StoreError: when it never will.
    """
    try:
        yield
    except BanditRouteError:
        raise
    except IntegrityError as error:
        raise StoreError(f"{doing}: refused by the database ({error.orig})") from None
    except (OperationalError, sqlite3.OperationalError) as error:
        cause = error.orig if isinstance(error, OperationalError) else error
        raise StoreUnavailableError(f"{doing}: database unavailable ({cause})") from None
    except DBAPIError as error:
        raise StoreError(f"{doing}: the database failed ({error.orig})") from None
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise StoreError(f"{doing}: the database failed ({type(error).__name__})") from None
