"""Parsing of store URLs."""

import hashlib
import os
from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from banditroute.errors import InvalidArgumentError
from banditroute.store.databases.base import Database
from banditroute.store.databases.sqlite import Sqlite

_SQLITE = ("sqlite", "sqlite+pysqlite")
_POSTGRES = ("postgresql", "postgresql+psycopg")


def database_at(url: str, *, patience: float | None = None) -> Database:
    """Return the database at ``url``, without connecting to it.

    ``patience`` is how long a transaction waits for others [s]; the default depends on the database. Messages do
    not contain the URL, because it may contain a password.

    Raises:
        InvalidArgumentError: for a database that is not supported, or an in-memory SQLite database.
        MissingDependencyError: if its driver is not installed.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise InvalidArgumentError("store URL cannot be parsed; write it as 'sqlite:///routing.db'") from None
    if parsed.drivername in _POSTGRES:
        from banditroute.store.databases.postgres import Postgres

        return Postgres(parsed.set(drivername="postgresql+psycopg"), patience=patience)
    if parsed.drivername not in _SQLITE:
        raise InvalidArgumentError(
            f"store URL names the database {parsed.drivername!r:.40}; sqlite and postgresql+psycopg are supported"
        )
    return Sqlite(_path(parsed), patience=patience)


def default_spool(url: str) -> Path | None:
    """Return the directory in which records wait while the database at ``url`` is unavailable.

    None for a SQLite file whose directory does not exist.
    """
    database = database_at(url)
    if isinstance(database, Sqlite):
        return database.path.with_name(f"{database.path.name}.spool") if database.path.parent.is_dir() else None
    if directory := os.environ.get("BANDITROUTE_SPOOL"):
        return Path(directory)
    state = os.environ.get("XDG_STATE_HOME")
    home = Path(state) if state else Path.home() / ".local" / "state"
    # Each database has its own directory; the digest does not reveal the address.
    parsed = make_url(url)
    named = f"{parsed.host}:{parsed.port}/{parsed.database}{sorted(parsed.query.items())}"
    return home / "banditroute" / hashlib.blake2b(named.encode(), digest_size=8).hexdigest()


def _path(url: URL) -> Path:
    if url.host or url.query:
        raise InvalidArgumentError(
            "a SQLite store URL takes no host and no parameters; write 'sqlite:///routing.db'"
        )
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise InvalidArgumentError(
            "an in-memory SQLite store would lose everything; use store=None for memory, or 'sqlite:///routing.db'"
        )
    return Path(url.database)
