"""SQLite files: settings that must hold, and errors that are the fault of a record."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from banditroute.errors import BanditRouteError, StoreError, StoreUnavailableError
from banditroute.store.databases.sqlite import Sqlite, translated


def test_a_file_without_a_write_ahead_log_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database in memory has no write-ahead log, as a file on some file systems."""
    database, connect = Sqlite(tmp_path / "r.db"), sqlite3.connect

    def in_memory(_path: str, **settings: Any) -> sqlite3.Connection:
        found: sqlite3.Connection = connect(":memory:", **settings | {"uri": False})
        return found

    monkeypatch.setattr(sqlite3, "connect", in_memory)
    with pytest.raises(StoreError, match=r"journal_mode='memory'.*is the file on a network file system"):
        database.write("not written", lambda connection: connection.execute(select(1)).scalar_one())


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (sqlite3.DataError("string or blob too big"), StoreError),
        (sqlite3.ProgrammingError("Error binding parameter 3: type 'set' is not supported"), StoreError),
        (sqlite3.ProgrammingError("Cannot operate on a closed database."), StoreUnavailableError),
        (sqlite3.OperationalError("disk I/O error"), StoreUnavailableError),
        (sqlite3.DatabaseError("file is not a database"), StoreUnavailableError),
    ],
)
def test_errors_of_a_record_and_others(error: sqlite3.Error, kind: type[BanditRouteError]) -> None:
    with pytest.raises(BanditRouteError) as caught, translated("records not stored"):
        raise error
    assert type(caught.value) is kind
