"""The tables, their version, and the way from one version to the next."""

import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from banditroute.errors import InvalidArgumentError, SchemaVersionError
from banditroute.store.databases.sqlite import writing_engine
from banditroute.store.maintenance.upgrade import Upgrade, upgrade
from banditroute.store.schema import migrations, tables
from banditroute.store.schema.version import SCHEMA_VERSION
from banditroute.store.sql.store import SqlStore
from banditroute.testing import open_router


def created(path: Path) -> str:
    store = SqlStore(f"sqlite:///{path}")
    open_router(store)
    store.close()
    return f"sqlite:///{path}"


def schema_of(path: Path) -> dict[str, frozenset[str]]:
    """Name → parts of its definition; a migration may write them in another order."""
    database = sqlite3.connect(path)
    rows = database.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    database.close()
    return {name: frozenset(parts_of(sql)) for name, sql in rows}


def parts_of(sql: str) -> list[str]:
    """Split a definition at its outer commas."""
    before, _, inside = sql.partition("(")
    parts, depth = [""], 0
    for character in inside.strip().removesuffix(")"):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and not depth:
            parts.append("")
        else:
            parts[-1] += character
    return [" ".join(part.split()) for part in (before, *parts)]


def test_migrations_and_tables_are_equal(tmp_path: Path) -> None:
    migrated, new = tmp_path / "migrated.db", tmp_path / "new.db"
    engine = writing_engine(migrated)
    with engine.begin() as connection:
        migrations.run(connection)
        ours = MigrationContext.configure(connection, opts={"version_table": tables.alembic_version.name})
        assert compare_metadata(ours, tables.metadata) == []
    engine.dispose()
    created(new)
    assert schema_of(migrated) == schema_of(new)
    assert ScriptDirectory(str(Path(migrations.__file__).parent)).get_heads() == [SCHEMA_VERSION]
    created(migrated)


def test_upgrading_what_is_new_changes_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    url = created(tmp_path / "routing.db")
    before = schema_of(tmp_path / "routing.db")
    assert upgrade(url) == Upgrade(SCHEMA_VERSION, SCHEMA_VERSION, None)
    assert schema_of(tmp_path / "routing.db") == before
    assert capfd.readouterr() == ("", "")


def test_upgrading_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match=r"no database file '.*routing.db'"):
        upgrade(f"sqlite:///{tmp_path}/routing.db")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("found", "code", "sentence"),
    [
        ("0000", "schema.old", "database schema 0000 is older than 0002; run 'banditroute db upgrade'"),
        (None, "schema.old", "database schema 0000 is older than 0002; run 'banditroute db upgrade'"),
        ("0003", "schema.new", "database schema 0003 is newer than this library (0002); upgrade banditroute"),
    ],
)
def test_another_version_is_refused(tmp_path: Path, found: str | None, code: str, sentence: str) -> None:
    path = tmp_path / "routing.db"
    url = created(path)
    database = sqlite3.connect(path)
    with database:
        database.execute("UPDATE br_alembic_version SET version_num = ?", ["0000" if found is None else found])
        if found is None:
            database.execute("DELETE FROM br_alembic_version")
    database.close()
    with pytest.raises(SchemaVersionError, match=re.escape(sentence)) as caught:
        open_router(SqlStore(url))
    assert caught.value.code == code


def test_tables_of_an_application_stay_alone(tmp_path: Path) -> None:
    path = tmp_path / "application.db"
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE alembic_version (version_num VARCHAR(32))")
    database.execute("INSERT INTO alembic_version VALUES ('theirs')")
    database.commit()
    database.close()
    store = SqlStore(created(path))
    assert not open_router(store).created
    store.close()


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("from banditroute.store import MemoryStore, open_store; open_store(None)", "sqlalchemy"),
        (
            "import sys; from banditroute import store, testing; "  # noqa: ISC004
            "testing.open_router(store.open_store(sys.argv[1]))",
            "alembic",
        ),
    ],
)
def test_nothing_is_loaded_before_it_is_needed(tmp_path: Path, code: str, absent: str) -> None:
    check = f"\nimport sys; sys.exit({absent!r} in sys.modules)"
    url = f"sqlite:///{tmp_path}/routing.db"
    subprocess.run([sys.executable, "-c", code + check, url], check=True, timeout=60)
