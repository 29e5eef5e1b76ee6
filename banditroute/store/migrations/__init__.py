"""Brings a database from the schema of an older version to this one's; loads Alembic."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from banditroute.errors import InvalidArgumentError
from banditroute.store.engine import translated, writing_engine
from banditroute.store.schema import SCHEMA_VERSION
from banditroute.store.url import database_path


def upgrade(url: str) -> str:
    """Upgrade the database at ``url`` in one transaction, all or nothing, and return its schema version.

    Raises:
        InvalidArgumentError: if there is no such file; nothing is created.
        StoreUnavailableError: if another process writes to it; stop that first.
    """
    path = database_path(url)
    if not path.is_file():
        raise InvalidArgumentError(f"no database file {path.name!r} to upgrade")
    engine = writing_engine(path)
    try:
        with translated("database not upgraded"), engine.begin() as connection:
            run(connection)
    finally:
        engine.dispose()
    return SCHEMA_VERSION


def run(connection: Connection) -> None:
    """Apply every missing revision inside the caller's transaction."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
