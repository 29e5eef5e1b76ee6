from pathlib import Path

import pytest

from banditroute.errors import InvalidArgumentError
from banditroute.store import MemoryStore, open_store
from banditroute.store.sql import SqlStore
from banditroute.store.sqlite import Sqlite
from banditroute.store.url import database_at


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("sqlite://", "an in-memory SQLite store would lose everything"),
        ("sqlite:///:memory:", "an in-memory SQLite store would lose everything"),
        ("sqlite:///file::memory:", "an in-memory SQLite store would lose everything"),
        ("sqlite:///x.db?mode=memory", "takes no host and no parameters"),
        ("sqlite://me:hunter2@host/x.db", "takes no host and no parameters"),
        ("mysql://me:hunter2@host/x", "'mysql'; sqlite and postgresql\\+psycopg are supported"),
        ("sqlite+aiosqlite:///x.db", "sqlite and postgresql\\+psycopg are supported"),
        ("me:hunter2@host", "cannot be parsed"),
        ("postgresql://me:hunter2@host:port/x", "cannot be parsed"),
        ("", "cannot be parsed"),
    ],
)
def test_what_is_refused(url: str, sentence: str) -> None:
    with pytest.raises(InvalidArgumentError, match=sentence) as caught:
        open_store(url)
    assert "hunter2" not in repr(caught.value) + repr(caught.value.__cause__)


def test_what_is_taken() -> None:
    for url, path in (("sqlite:///a b.db", "a b.db"), ("sqlite+pysqlite:////var/x.db", "/var/x.db")):
        database = database_at(url)
        assert isinstance(database, Sqlite)
        assert database.path == Path(path)
    assert isinstance(open_store(None), MemoryStore)
    assert isinstance(open_store("sqlite:///x.db"), SqlStore)
    store = MemoryStore()
    assert open_store(store) is store
    with pytest.raises(InvalidArgumentError, match=r"must be a URL, a Store or None, got int"):
        open_store(3)  # type: ignore[arg-type]
