"""A SQLite file, with one engine that writes and one that only reads."""

import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from sqlalchemy import Column, ColumnElement, Connection, Engine, Table, bindparam, create_engine, event, text
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from banditroute.core.runtime.private_files import create_private, require_private
from banditroute.errors import BanditRouteError, InvalidArgumentError, StoreError, StoreUnavailableError
from banditroute.store.databases.backup import copy_whole
from banditroute.store.databases.base import ADDRESS, LOGGING_NAME, T, hide_rows
from banditroute.store.databases.bulk import insertion, numbering
from banditroute.store.databases.open_file import OpenFile
from banditroute.store.schema.tables import Row

LOCK_PATIENCE = 5.0
"""How long a transaction waits for another process's [s]."""

# SQLite's own waiting backs off, and so starves one of several processes; short jittered waits are fair.
_SHORTEST_WAIT, _LONGEST_WAIT = 0.0005, 0.002
_jitter = random.SystemRandom()

_DRAW = text(
    "INSERT INTO br_meta (name, value) VALUES ('arrival', :count) ON CONFLICT (name) "
    "DO UPDATE SET value = CAST(value AS INTEGER) + :count RETURNING CAST(value AS INTEGER)"
)


class Sqlite:
    """One file; see :class:`~banditroute.store.databases.base.Database`.

    Every transaction checks that the path still leads to the file that was opened first. If it was deleted or
    replaced, the transaction fails as unavailable and the connections are closed. So every acknowledged record is
    in the file at the path, and nothing is written over a restored backup.
    """

    kind: ClassVar[str] = "sqlite"
    one_writer: ClassVar[bool] = True

    def __init__(self, path: Path, *, patience: float | None = None) -> None:
        self.path = path
        self.name = path.name
        self._patience = LOCK_PATIENCE if patience is None else patience
        self._connect()

    def write(self, doing: str, work: Callable[[Connection], T]) -> T:
        """Run ``work`` while no other transaction can write."""
        with translated(doing), self._gate.passage():
            self._check_file(doing)
            if not self.path.exists():
                create_private(self.path)
            with self.writing.begin() as connection:
                result = work(connection)
            # The commit may have gone into a file that the path does not lead to any more.
            self._check_file(doing)
            return result

    def alter(self, doing: str, work: Callable[[Connection], T]) -> T:
        """Write: a file has no time limit."""
        return self.write(doing, work)

    @contextmanager
    def read(self, doing: str) -> Iterator[Connection]:
        """Open a transaction on a connection that refuses to write."""
        with translated(doing), self._gate.passage():
            self._check_file(doing)
            with self.reading.begin() as connection:
                yield connection

    def hold_still(self, connection: Connection) -> None:
        """Do nothing: a transaction reads one snapshot anyway."""

    def must_exist(self) -> None:
        """Refuse a path without a file."""
        if not self.path.is_file():
            raise InvalidArgumentError(f"no database file {str(self.path)!r}")

    def require_private(self) -> None:
        """Refuse a file that belongs to another user, or that other users can write."""
        require_private("database", self.path.resolve())

    def lock_schema(self, connection: Connection) -> None:
        """Do nothing: one transaction writes at a time anyway."""

    def lock_journal(self, connection: Connection, key: int, *, wait: bool) -> bool:  # noqa: ARG002  # one writes
        """Do nothing: one transaction writes at a time anyway."""
        return True

    def arrivals(self, connection: Connection, count: int) -> Sequence[int]:
        """Take numbers from a counter in ``br_meta``."""
        last = int(connection.execute(_DRAW, {"count": count}).scalar_one())
        return range(last - count + 1, last + 1)

    def insert(self, connection: Connection, table: Table, rows: Sequence[Row]) -> int:
        """Insert many rows at the speed of the driver."""
        statement, values = insertion(connection.dialect, table, rows)
        return connection.exec_driver_sql(statement, values).rowcount

    def number(self, connection: Connection, table: Table, rows: Mapping[int, tuple[int, ...]]) -> None:
        """Number many rows at the speed of the driver."""
        statement = numbering(table, len(next(iter(rows.values()))))
        connection.exec_driver_sql(statement, [(*numbers, row) for row, numbers in rows.items()])

    def among(self, column: Column[bytes], name: str) -> ColumnElement[bool]:
        """Compare with a list in the statement."""
        return column.in_(bindparam(name, expanding=True))

    def back_up(self) -> str | None:
        """Copy the file to ``NAME.before-TIME``."""
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        copy = self.path.with_name(f"{self.path.name}.before-{moment}")
        with translated("database not backed up"), self._gate.passage():
            copy_whole(self.path, copy)
        return str(copy)

    def size(self, connection: Connection) -> int:  # noqa: ARG002  (the file knows)
        """Return the size of the file [bytes]."""
        return self.path.stat().st_size

    def before_fork(self) -> None:
        """Close all connections: a SQLite connection must not be used or closed in a forked child.

        The child would have a copy of the parent's list of locks without holding them. When the parent closes the
        file, it would then delete the write-ahead log that the child uses.
        """
        self._gate.close(LOCK_PATIENCE)
        self.dispose()

    def after_fork(self, *, in_child: bool) -> None:
        """Let connections be opened again."""
        if in_child:
            self._connect()
        else:
            self._gate.open()

    def dispose(self) -> None:
        """Close both engines."""
        for engine in (self.writing, self.reading):
            engine.dispose()

    def _connect(self) -> None:
        self._gate = _Gate()
        self._file = OpenFile(self.path)
        self.writing = writing_engine(self.path, patience=self._patience)
        self.reading = reading_engine(self.path)

    def _check_file(self, doing: str) -> None:
        if (problem := self._file.problem()) is not None:
            # SQLite leaves the old write-ahead log at the path, where it would be applied to the restored file.
            self.dispose()
            self._file.move_log_aside()
            raise StoreUnavailableError(f"{doing}: {problem}", code="store.replaced")


class _Gate:
    """Admits threads until it is closed; closing waits for the threads that are inside."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._open = True

    @contextmanager
    def passage(self) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: self._open)
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    def close(self, patience: float) -> None:
        with self._changed:
            self._open = False
            self._changed.wait_for(lambda: not self._inside, patience)

    def open(self) -> None:
        with self._changed:
            self._open = True
            self._changed.notify_all()


def writing_engine(path: Path, *, patience: float = LOCK_PATIENCE) -> Engine:
    """Return an engine whose transactions exclude all other writers; it creates the file."""
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
    """Return an engine that only reads, and never creates the file."""
    # Not mode=ro: such a connection, if it is the last, leaves the write-ahead log behind.
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
        "sqlite://", creator=connect, poolclass=QueuePool, hide_parameters=True, logging_name=LOGGING_NAME
    )
    hide_rows()

    @event.listens_for(engine, "connect")
    def _protect(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA trusted_schema = OFF")

    return engine


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
    """Turn an error of the database into one sentence that contains no value of a record.

    Raises:
        StoreError: for an error that can be the fault of a record: a violated constraint, a value that SQLite
            cannot store.
        StoreUnavailableError: for any other error.
    """
    try:
        yield
    except BanditRouteError:
        raise
    except IntegrityError as error:
        raise StoreError(f"{doing}: refused by the database ({error.orig})") from None
    except (DBAPIError, sqlite3.Error) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        if _is_of_value(cause):
            raise StoreError(f"{doing}: refused by the database ({type(cause).__name__})") from None
        is_foreign = getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_NOTADB
        code = ADDRESS if is_foreign else None
        raise StoreUnavailableError(f"{doing}: database unavailable ({cause})", code=code) from None
    except OverflowError:
        raise StoreError(f"{doing}: refused by the database (OverflowError)") from None
    except SQLAlchemyError as error:
        raise StoreUnavailableError(f"{doing}: the database failed ({type(error).__name__})") from None


def _is_of_value(error: BaseException | None) -> bool:
    """Return whether a value cannot be bound or is too large."""
    if isinstance(error, sqlite3.DataError):
        return True
    return isinstance(error, sqlite3.ProgrammingError | sqlite3.InterfaceError) and "binding" in str(error)
