from pathlib import Path

import pytest

from banditroute.errors import InvalidArgumentError
from banditroute.store import MemoryStore, open_store
from banditroute.store.databases.sqlite import Sqlite
from banditroute.store.databases.url import database_at, default_spool
from banditroute.store.sql.store import SqlStore


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


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in ("BANDITROUTE_SPOOL", "XDG_STATE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_the_spool_of_a_file_is_beside_it(home: Path) -> None:
    assert default_spool(f"sqlite:///{home}/x.db") == home / "x.db.spool"
    assert default_spool(f"sqlite:///{home}/nowhere/x.db") is None


def test_each_database_of_a_server_has_a_spool_of_its_own(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    urls = [
        "postgresql://me:hunter2@host/routing",
        "postgresql://me:hunter2@other/routing",
        "postgresql://me:hunter2@host:5433/routing",
        "postgresql://me:hunter2@host/other",
        "postgresql://me:hunter2@/routing?host=/run/one",
        "postgresql://me:hunter2@/routing?host=/run/other",
    ]
    places = [default_spool(url) for url in urls]
    assert len(set(places)) == len(urls)
    # A version that looked elsewhere would leave behind what waits there, and so would a new password.
    assert places[0] == home / ".local" / "state" / "banditroute" / "055cdd9294f69ea4"
    assert default_spool("postgresql+psycopg://you:secret@host/routing") == places[0]
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert default_spool(urls[0]) == Path("/state/banditroute") / places[0].name
    monkeypatch.setenv("BANDITROUTE_SPOOL", "/spool")
    assert default_spool(urls[0]) == Path("/spool")
