"""The schema version, and the creation of the tables of a new database."""

import secrets

from sqlalchemy import Connection, insert, inspect, select

from banditroute.core.arrays import FEATURE_BITS, OUTCOME_BITS
from banditroute.errors import SchemaVersionError
from banditroute.store.schema import tables

SCHEMA_VERSION = "0002"
"""The newest revision in ``migrations/versions``; a test holds the two, and the tables, equal."""

_UNVERSIONED = "0000"


def found_version(connection: Connection) -> str | None:
    """The schema version of a database; None if it holds none of our tables."""
    names = inspect(connection).get_table_names()
    if tables.alembic_version.name in names:
        version = connection.execute(select(tables.alembic_version.c.version_num)).scalar()
        if version is not None:
            return str(version)
    return _UNVERSIONED if tables.meta.name in names else None


def check_version(version: str) -> None:
    """Refuse a schema that this library does not know.

    Raises:
        SchemaVersionError: saying what to do about it.
    """
    if version < SCHEMA_VERSION:
        raise SchemaVersionError(
            f"database schema {version} is older than {SCHEMA_VERSION}; run 'banditroute db upgrade'",
            code="schema.old",
        )
    if version > SCHEMA_VERSION:
        raise SchemaVersionError(
            f"database schema {version} is newer than this library ({SCHEMA_VERSION}); upgrade banditroute",
            code="schema.new",
        )


def create(connection: Connection) -> None:
    """Create all tables at once, as the migrations would one after the other, without loading Alembic."""
    tables.metadata.create_all(connection)
    tables.alembic_version.create(connection, checkfirst=True)
    connection.execute(insert(tables.alembic_version), {"version_num": SCHEMA_VERSION})
    describe(connection)


def describe(connection: Connection) -> None:
    """Write down what is true of the whole database."""
    facts = {
        "store_id": secrets.token_hex(16),
        "feature_bits": str(FEATURE_BITS),
        "outcome_bits": str(OUTCOME_BITS),
    }
    connection.execute(insert(tables.meta), [{"name": name, "value": value} for name, value in facts.items()])


def store_id(connection: Connection) -> str:
    """The id of this database, different for every database."""
    return str(
        connection.execute(select(tables.meta.c.value).where(tables.meta.c.name == "store_id")).scalar_one()
    )
