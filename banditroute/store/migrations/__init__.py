"""Brings a database from the schema of an older version to this one's; loads Alembic."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from banditroute.store.schema import SCHEMA_VERSION
from banditroute.store.url import database_at


def upgrade(url: str) -> str:
    """Upgrade the database at ``url`` in one transaction, all or nothing, and return its schema version.

    Raises:
        InvalidArgumentError: if there is no such file; nothing is created.
        StoreUnavailableError: if another process writes to it; stop that first.
    """
    database = database_at(url)
    database.must_exist()

    def work(connection: Connection) -> None:
        database.lock_schema(connection)
        run(connection)

    try:
        database.write("database not upgraded", work)
    finally:
        database.dispose()
    return SCHEMA_VERSION


def run(connection: Connection) -> None:
    """Apply every missing revision inside the caller's transaction."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
