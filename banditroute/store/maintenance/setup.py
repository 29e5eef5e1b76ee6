"""Setup of a database before it has a router."""

from sqlalchemy import Connection

from banditroute.errors import InvalidArgumentError
from banditroute.store.databases.url import database_at
from banditroute.store.schema.version import check_version, create, found_version


def init(url: str) -> bool:
    """Create the tables in the database at ``url``, and a SQLite file if needed; return False if they exist.

    Raises:
        SchemaVersionError: if they exist in another version.
        StoreUnavailableError: if the database cannot be reached.
    """
    database = database_at(url)

    def work(connection: Connection) -> bool:
        database.lock_schema(connection)
        version = found_version(connection)
        if version is not None:
            check_version(version)
            return False
        create(connection)
        return True

    try:
        return database.write("tables not created", work)
    finally:
        database.dispose()


def current(url: str) -> str:
    """Return the schema version of the database at ``url``, which may be one unknown to this library.

    Raises:
        InvalidArgumentError: if there is no such database, or it has none of this library's tables.
    """
    database = database_at(url)
    database.must_exist()
    try:
        with database.read("schema version not read") as connection:
            version = found_version(connection)
    finally:
        database.dispose()
    if version is None:
        raise InvalidArgumentError(f"{database.name!r} holds no tables of this library; run 'banditroute db init'")
    return version
