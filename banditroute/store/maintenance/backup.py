"""Backup and restoration of a database, while workers use it or not."""

import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, func, select

from banditroute.errors import InvalidArgumentError
from banditroute.store.databases.backup import copy_whole, put_in_place
from banditroute.store.databases.base import Database
from banditroute.store.databases.sqlite import Sqlite, translated
from banditroute.store.databases.url import database_at
from banditroute.store.maintenance.views import looking_at
from banditroute.store.schema import tables
from banditroute.store.schema.version import check_version, found_version
from banditroute.store.sql import restored

Clock = Callable[[], int]
"""Returns the time in nanoseconds since the epoch."""


def back_up(url: str, file: Path, *, clock: Clock = time.time_ns) -> None:
    """Copy a SQLite database to a new ``file``, consistently and while workers use it.

    Raises:
        InvalidArgumentError: if ``file`` exists, if there is no such database, or if it is not a SQLite file.
        SchemaVersionError: if the database has another schema than this library.
        StoreUnavailableError: if it cannot be read or the copy cannot be written; then there is no copy.
    """
    if file.exists():
        raise InvalidArgumentError(f"file {str(file)!r} exists; give another name")
    part = file.with_name(f"{file.name}.part")
    path = _file_of(database_at(url))
    with looking_at(url):
        moment_us = clock() // 1_000
        try:
            with translated("database not backed up"):
                copy_whole(path, part)
            _write(part, lambda connection: restored.set_copied(connection, moment_us))
            part.rename(file)
        finally:
            part.unlink(missing_ok=True)


def restore(file: Path, url: str, *, clock: Clock = time.time_ns) -> Path | None:
    """Put a copy of the backup ``file`` in the place of a SQLite database, and keep the replaced files.

    No router may open the database meanwhile. Routers that have it open find that their file was replaced: they
    acknowledge nothing more as stored, keep their records in the spool, and must be closed and opened again.
    Decisions made after the backup and stored in the replaced file are lost; feedback on them is refused with
    DecisionExpiredError.

    Returns:
        Where the replaced database is now; None if there was none.

    Raises:
        InvalidArgumentError: if ``file`` is not a database of routers, or ``url`` is not of a SQLite file.
        SchemaVersionError: if the backup has another schema than this library.
        StoreUnavailableError: if a worker writes for too long, or the files cannot be moved; the database is
            unchanged then.
    """
    database = database_at(url)
    path = _file_of(database)
    if not file.is_file():
        raise InvalidArgumentError(f"no file {str(file)!r}")
    if path.exists() and file.samefile(path):
        raise InvalidArgumentError(f"file {str(file)!r} is the database itself")
    part = path.with_name(f"{path.name}.restoring")
    try:
        with translated("backup not restored"):
            copy_whole(file, part)
        _write(part, lambda connection: _note_gap(connection, clock))
        with translated("backup not restored"):
            return put_in_place(part, path)
    finally:
        part.unlink(missing_ok=True)


def mark_restored(url: str, *, clock: Clock = time.time_ns) -> restored.Gap:
    """Note that other tools have restored this database: the decisions since its newest one are lost.

    Raises:
        InvalidArgumentError: if there is no such database.
        SchemaVersionError: if the database has another schema than this library.
        StoreUnavailableError: if the database cannot be written now.
    """
    with looking_at(url) as database:
        return database.write("restoration not noted", lambda connection: _note_gap(connection, clock))


def _note_gap(connection: Connection, clock: Clock) -> restored.Gap:
    version = found_version(connection)
    if version is None:
        raise InvalidArgumentError("the backup holds no router")
    check_version(version)
    copied_us = restored.copied_us(connection)
    if copied_us is None:
        copied_us = connection.scalar(select(func.max(tables.decision.c.created_us))) or 0
    gap = restored.Gap(copied_us, clock() // 1_000)
    restored.add_gap(connection, gap)
    restored.set_copied(connection, None)
    return gap


def _write(path: Path, work: Callable[[Connection], object]) -> None:
    """Write to a copy that no other process uses; afterwards it is one file without a write-ahead log."""
    copy = Sqlite(path)
    try:
        copy.write("copy not written", work)
    finally:
        copy.dispose()


def _file_of(database: Database) -> Path:
    if not isinstance(database, Sqlite):
        raise InvalidArgumentError(
            "a PostgreSQL database is backed up and restored with its own tools, such as pg_dump and pg_restore; "
            "after a restoration run 'banditroute db restored'"
        )
    return database.path
