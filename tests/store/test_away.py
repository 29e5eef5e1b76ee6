"""A store whose database is not there when it is opened."""

from pathlib import Path

import pytest

from banditroute.errors import StoreUnavailableError
from banditroute.store.spool.file import Spool
from banditroute.store.sql.store import SqlStore
from banditroute.testing import a_decision, open_router

NOWHERE = "postgresql+psycopg://me:hunter2@127.0.0.1:1/routing"


def test_it_begins_without_it_and_spools(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = SqlStore(NOWHERE, patience=0.0, spool=tmp_path / "spool")
    stored = open_router(store)
    assert (stored.created, stored.revision, stored.end) == (False, -1, (0, 0))
    assert "router 'support': database unavailable at start-up" in caplog.text
    assert store.append([a_decision(1)]).result(30) == "buffered"
    with pytest.raises(StoreUnavailableError, match="the database has not been reachable yet; "):
        store.decision(a_decision(1).decision_key)
    health = store.health()
    assert (health.state, health.spooled, health.available) == ("spooling", 1, False)
    assert "database unavailable" in health.last_error
    assert "hunter2" not in f"{health}{caplog.text}"
    store.close()
    (left,) = (tmp_path / "spool").glob("*.spool")
    spool = Spool(left)
    assert spool.waiting == 1
    spool.abandon()


def test_without_a_place_for_a_spool_it_does_not_begin(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for spool in (None, tmp_path / "file" / "spool"):
        with pytest.raises(StoreUnavailableError, match="store not opened: database unavailable"):
            open_router(SqlStore(NOWHERE, patience=0.0, spool=spool))
