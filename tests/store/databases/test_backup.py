"""A backup is whole, or there is none."""

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from banditroute.errors import StoreUnavailableError
from banditroute.store.databases.backup import copy_whole
from banditroute.store.databases.sqlite import Sqlite

ROWS = 200


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "routing.db"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE filled (blob BLOB)")
        database.executemany("INSERT INTO filled VALUES (zeroblob(?))", [(500,)] * ROWS)
    return path


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Let the disk be full."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def rows(path: Path) -> int:
    with closing(sqlite3.connect(path)) as database:
        return int(database.execute("SELECT count(*) FROM filled").fetchone()[0])


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits of the size of files")
def test_what_does_not_fit_leaves_nothing_that_passes_for_a_backup(path: Path) -> None:
    database = Sqlite(path)
    with files_of_at_most(20_000), pytest.raises(StoreUnavailableError, match="not backed up"):
        database.back_up()
    assert [left.name for left in path.parent.glob("*before*")] == []
    copy = database.back_up()
    database.dispose()
    assert copy is not None
    assert rows(Path(copy)) == ROWS


def test_what_a_killed_process_left_is_no_obstacle(path: Path) -> None:
    copy = path.with_name("copy.db")
    for left in ("copy.db.half", "copy.db.half-journal"):
        (path.parent / left).write_bytes(b"half of something" * 1_000)
    copy_whole(path, copy)
    copy_whole(path, copy)
    assert rows(copy) == ROWS
    assert sorted(left.name for left in path.parent.glob("copy*")) == ["copy.db"]


def test_a_directory_that_cannot_be_written_is_named(path: Path, tmp_path: Path) -> None:
    missing = tmp_path / "none" / "copy.db"
    (tmp_path / "none").write_text("a file")
    with pytest.raises(StoreUnavailableError, match="database not backed up"):
        copy_whole(path, missing)
