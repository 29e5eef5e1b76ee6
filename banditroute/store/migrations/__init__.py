"""Brings a database from the schema of an older version to this one's; loads Alembic."""

from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from banditroute.errors import InvalidArgumentError
from banditroute.store import schema
from banditroute.store.url import database_at


@dataclass(frozen=True, slots=True)
class Upgrade:
    """What an upgrade did.

    Attributes:
        before, after: Schema versions; equal where there was nothing to do.
        backup: Where the database was copied before; None if it was not.
    """

    before: str
    after: str
    backup: str | None


def upgrade(url: str) -> Upgrade:
    """Upgrade the database at ``url`` in one transaction, all or nothing; a SQLite file is copied before.

    Raises:
        InvalidArgumentError: if there is no such database; nothing is created.
        SchemaVersionError: if its schema is newer than this library's.
        StoreUnavailableError: if workers keep it from the locks it needs; nothing is changed, so run it again.
    """
    database = database_at(url)
    database.must_exist()

    def work(connection: Connection) -> None:
        database.lock_schema(connection)
        run(connection)

    try:
        with database.read("database not upgraded") as connection:
            before = schema.found_version(connection)
        if before is None:
            raise InvalidArgumentError(f"{database.name!r} holds no router; run 'banditroute db init'")
        if before == schema.SCHEMA_VERSION:
            return Upgrade(before, before, None)
        if before > schema.SCHEMA_VERSION:
            schema.check_version(before)
        backup = database.back_up()
        database.alter("database not upgraded", work)
    finally:
        database.dispose()
    return Upgrade(before, schema.SCHEMA_VERSION, backup)


def run(connection: Connection) -> None:
    """Apply every missing revision inside the caller's transaction."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
