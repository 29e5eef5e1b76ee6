"""The identity of an open SQLite file: whether its path still leads to it."""

import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

_Identity: TypeAlias = tuple[int, int]


class OpenFile:
    """Remembers which file a path led to at first, by device and inode, and its largest size.

    Workers never make the file smaller, so a smaller one was overwritten in place. A file of at least the same
    size that was overwritten in place is not recognised.

    Any thread may use it. Two threads that look first at the same moment remember the same file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._log_path = path.with_name(f"{path.name}-wal")
        self._first: _Identity | None = None
        self._size = 0
        self._log: _Identity | None = None

    def problem(self) -> str | None:
        """Return what happened to the file, or None if the path leads to it, or never led to a file."""
        now, size = _identity_and_size(self._path)
        if self._first is None:
            self._first = now
        if now != self._first:
            return _GONE if now is None else _REPLACED
        if size < self._size:
            return _OVERWRITTEN
        self._size = size
        self._log = _identity(self._log_path) or self._log
        return None

    def move_log_aside(self) -> None:
        """Rename the write-ahead log of the first file, if another file has taken its place."""
        now = _identity(self._path)
        if self._log is None or now in (None, self._first) or _identity(self._log_path) != self._log:
            return
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        with suppress(OSError):
            self._log_path.rename(self._path.with_name(f"{self._path.name}.replaced-{moment}-wal"))
            self._path.with_name(f"{self._path.name}-shm").unlink()


_GONE = "the database file was deleted or moved while it was open; move it back, or restore a backup"
_REPLACED = "the database file was replaced while it was open; close this router and open it again"
_OVERWRITTEN = (
    "the database file was overwritten while it was open; close all routers, then use 'banditroute db restore'"
)


def _identity(path: Path) -> _Identity | None:
    return _identity_and_size(path)[0]


def _identity_and_size(path: Path) -> tuple[_Identity | None, int]:
    try:
        facts = path.stat()
    except OSError:
        return None, 0
    return ((facts.st_dev, facts.st_ino), facts.st_size) if stat.S_ISREG(facts.st_mode) else (None, 0)
