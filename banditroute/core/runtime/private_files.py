"""Files that only their owner may use: they hold secrets, feature vectors, and records that will be learned."""

import os
import stat
from contextlib import suppress
from pathlib import Path

from banditroute.errors import InvalidArgumentError


def create_private(path: Path) -> None:
    """Create an empty file that only its owner can read and write, unless it exists or cannot be created."""
    with suppress(OSError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def problem_of(path: Path) -> str | None:
    """Return why other users can change a file or directory, or None if they cannot, or if there is none.

    They can if they own it, if it is writable for its group (a directory) or for all, or if it is a symbolic link,
    which may lead anywhere.
    """
    if not hasattr(os, "geteuid"):
        return None
    try:
        facts = path.lstat()
    except OSError:
        return None
    if stat.S_ISLNK(facts.st_mode):
        return "is a symbolic link"
    if facts.st_uid not in (0, os.geteuid()) and os.geteuid() != 0:
        return "belongs to another user"
    if facts.st_mode & (0o022 if stat.S_ISDIR(facts.st_mode) else 0o002):
        return "can be written by other users"
    return None


def require_private(what: str, path: Path) -> None:
    """Refuse a file or directory that other users can change.

    Raises:
        InvalidArgumentError: naming what is wrong, and how to mend it.
    """
    if (problem := problem_of(path)) is not None:
        mode = "700" if path.is_dir() else "600"
        raise InvalidArgumentError(
            f"{what} {str(path)!r} {problem}; give its own path, and run chmod {mode} on it"
        )
