"""Copies of a SQLite file: complete and on stable storage, or absent."""

import os
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path

from banditroute.core.runtime.disk import sync_directory
from banditroute.errors import StoreUnavailableError


def copy_whole(path: Path, copy: Path) -> None:
    """Write a consistent copy of the database at ``path``, without deleted data, while workers may use it.

    The copy has another name until it is complete, so that an interrupted copy is never taken for a backup.

    Raises:
        StoreUnavailableError: if the directory cannot be written; no file remains then.
        sqlite3.Error: if the database cannot be read, or the disk is full; no file remains then.
    """
    half = copy.with_name(f"{copy.name}.half")
    try:
        _remove(half)
        with closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)
        ) as source:
            source.execute("VACUUM INTO ?", [str(half)])
        with half.open("r+b") as file:
            os.fsync(file.fileno())
        half.replace(copy)
        # The copy must be on the disk before the caller changes the original.
        sync_directory(copy.parent)
    except OSError as error:
        raise StoreUnavailableError(f"database not backed up ({error.strerror})") from None
    finally:
        with suppress(OSError):
            _remove(half)


def put_in_place(copy: Path, path: Path) -> Path | None:
    """Rename ``copy`` to ``path``, and what was there, with its write-ahead log, to ``NAME.replaced-TIME``.

    The write lock of the replaced database is held, so that no transaction is cut in two: each is complete in the
    replaced file.

    Returns:
        The new name of the replaced file; None if there was none.

    Raises:
        StoreUnavailableError: if a file cannot be moved, or another process created one at ``path`` meanwhile.
        sqlite3.Error: if the replaced database is in use for too long; nothing was changed then.
    """
    if not path.exists():
        _move(copy, path)
        return None
    aside = path.with_name(f"{path.name}.replaced-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
    if aside.exists():
        raise StoreUnavailableError(f"backup not restored (file {aside.name!r} exists)")
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None)) as old:
        _lock(old)
        try:
            path.rename(aside)
            for suffix in ("-wal", "-shm"):
                with suppress(FileNotFoundError):
                    path.with_name(f"{path.name}{suffix}").rename(aside.with_name(f"{aside.name}{suffix}"))
        except OSError as error:
            raise StoreUnavailableError(f"backup not restored ({error.strerror})") from None
        _move(copy, path)
        if old.in_transaction:
            old.execute("ROLLBACK")
    return aside


def _lock(database: sqlite3.Connection) -> None:
    """Take the write lock, except of a damaged database, whose transactions fail anyway."""
    try:
        database.execute("PRAGMA busy_timeout = 5000")
        database.execute("BEGIN IMMEDIATE")
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode not in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
            raise


def _move(copy: Path, path: Path) -> None:
    """Rename ``copy``, unless there is a file at ``path``."""
    try:
        os.link(copy, path)
        copy.unlink()
        sync_directory(path.parent)
    except OSError as error:
        raise StoreUnavailableError(f"backup not restored ({error.strerror})") from None


def _remove(half: Path) -> None:
    for path in (half, half.with_name(f"{half.name}-journal")):
        path.unlink(missing_ok=True)
