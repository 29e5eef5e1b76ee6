"""Backup of a SQLite file: complete and on stable storage, or absent."""

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from banditroute.core.runtime.disk import sync_directory
from banditroute.errors import StoreUnavailableError


def copy_whole(path: Path, copy: Path) -> None:
    """Copy the database at ``path``, of one moment and without what was deleted.

    It has another name until it is whole: what a process that was killed left behind must not pass for a copy, nor
    be in the way of the next one.

    Raises:
        StoreUnavailableError: if the directory does not take it; then nothing is left behind.
        sqlite3.Error: if the database cannot be read, or the disk is full; likewise.
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
        # The upgrade that comes next must not be on the disk before it.
        sync_directory(copy.parent)
    except OSError as error:
        raise StoreUnavailableError(f"database not backed up ({error.strerror})") from None
    finally:
        with suppress(OSError):
            _remove(half)


def _remove(half: Path) -> None:
    for path in (half, half.with_name(f"{half.name}-journal")):
        path.unlink(missing_ok=True)
