"""What a store URL may be."""

from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from banditroute.errors import InvalidArgumentError

_DRIVERS = ("sqlite", "sqlite+pysqlite")


def database_path(url: str) -> Path:
    """The SQLite file that ``url`` names; no message ever repeats the URL, which may hold a password.

    Raises:
        InvalidArgumentError: for a database that is not supported, or one that would not last.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise InvalidArgumentError("store URL cannot be parsed; write it as 'sqlite:///routing.db'") from None
    if parsed.drivername not in _DRIVERS:
        later = (
            "postgresql comes later" if parsed.get_backend_name() == "postgresql" else "only sqlite is supported"
        )
        raise InvalidArgumentError(f"store URL names the database {parsed.drivername!r:.40}; {later}")
    if parsed.host or parsed.query:
        raise InvalidArgumentError(
            "a SQLite store URL takes no host and no parameters; write 'sqlite:///routing.db'"
        )
    if not parsed.database or parsed.database == ":memory:" or parsed.database.startswith("file:"):
        raise InvalidArgumentError(
            "an in-memory SQLite store would lose everything; use store=None for memory, or 'sqlite:///routing.db'"
        )
    return Path(parsed.database)
