"""Upgrade of a database from an older schema; loads Alembic."""

from dataclasses import dataclass

from sqlalchemy import Connection

from banditroute.errors import InvalidArgumentError
from banditroute.store.databases.url import database_at
from banditroute.store.schema import migrations, version


@dataclass(frozen=True, slots=True)
class Upgrade:
    """The result of an upgrade.

    Attributes:
        before, after: Schema versions; equal where there was nothing to do.
        backup: Where the database was copied before; None if it was not.
    """

    before: str
    after: str
    backup: str | None


def upgrade(url: str) -> Upgrade:
    """Upgrade the database at ``url`` in one transaction; a SQLite file is copied first.

    Raises:
        InvalidArgumentError: if there is no such database; nothing is created.
        SchemaVersionError: if its schema is newer than this library's.
        StoreUnavailableError: if workers hold the locks it needs; nothing was changed, so run it again.
    """
    database = database_at(url)
    database.must_exist()

    def work(connection: Connection) -> None:
        database.lock_schema(connection)
        migrations.run(connection)

    try:
        with database.read("database not upgraded") as connection:
            before = version.found_version(connection)
        if before is None:
            raise InvalidArgumentError(f"{database.name!r} holds no router; run 'banditroute db init'")
        if before == version.SCHEMA_VERSION:
            return Upgrade(before, before, None)
        if before > version.SCHEMA_VERSION:
            version.check_version(before)
        backup = database.back_up()
        database.alter("database not upgraded", work)
    finally:
        database.dispose()
    return Upgrade(before, version.SCHEMA_VERSION, backup)
