from dataclasses import replace
from pathlib import Path

import pytest

from banditroute.core.log import Position, PreferencesRecord, SnapshotRecord
from banditroute.errors import InvalidArgumentError, StoreError
from banditroute.store.maintenance import views
from banditroute.store.maintenance.secrets import secrets_of
from banditroute.store.sql.store import SqlStore
from banditroute.testing import (
    ARMS,
    PREFERENCES,
    SECRET,
    SPEC,
    a_decision,
    append,
    feedback_of,
    open_router,
    plain,
)


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Two routers: one with a history, one that was only created."""
    url = f"sqlite:///{tmp_path}/r %41?#.db".replace("?", "")
    store, idle = SqlStore(url), SqlStore(url)
    open_router(store)
    open_router(idle, replace(SPEC, name="idle", tenant="acme", dimension=None))
    for number in (1, 2, 3, 5):
        append(store, a_decision(number, min(number - 1, 2), arm="small" if number == 5 else "large"))
        if number < 3:
            append(store, feedback_of(a_decision(number), number))
    append(store, SnapshotRecord(Position(1, 1), b"sums", 0), PreferencesRecord(2, {"quality": 2.0}, 7))
    store.close()
    idle.close()
    return url


def test_routers(url: str, tmp_path: Path) -> None:
    busy, idle = views.routers(url)
    assert (busy.name, busy.tenant, busy.dimension) == ("support", "", 3)
    assert [(arm.record, arm.decisions, arm.share) for arm in busy.arms] == [
        (ARMS[0], 1, 0.25),
        (ARMS[1], 3, 0.75),
    ]
    assert busy.preferences == PreferencesRecord(2, {"quality": 2.0}, 7)
    assert (busy.decisions, busy.feedback, busy.waiting) == (4, 2, 0)
    assert busy.last_decision_us == a_decision(5).created_us
    assert busy.snapshot == Position(1, 1)
    assert busy.database_bytes == next(tmp_path.glob("*.db")).stat().st_size
    assert (idle.name, idle.tenant, idle.dimension, idle.preferences) == ("idle", "acme", None, PREFERENCES)
    assert [(arm.decisions, arm.share) for arm in idle.arms] == [(0, 0.0), (0, 0.0)]
    assert (idle.decisions, idle.last_decision_us, idle.snapshot) == (0, None, None)


def test_find_decision(url: str, tmp_path: Path) -> None:
    decision = a_decision(2, 1, arm="large")
    found = views.find_decision(url, "support", decision.decision_key)
    assert plain(found) == plain((decision, (feedback_of(a_decision(2), 2),)))
    assert views.find_decision(url, "support", b"?" * 16) is None
    assert views.find_decision(url, "idle", decision.decision_key, tenant="acme") is None
    assert len(list(tmp_path.iterdir())) == 1, "looking left files behind"
    assert secrets_of(url, "support").issuing == SECRET
    with pytest.raises(InvalidArgumentError, match=r"no router 'idle' in this database"):
        views.find_decision(url, "idle", decision.decision_key)


def test_looking_while_it_is_written(url: str) -> None:
    store = SqlStore(url)
    open_router(store)
    append(store, a_decision(6))
    assert views.routers(url)[0].decisions == 5
    store.close()


def test_what_is_not_there_is_not_created(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match=r"no database file '.*none.db'"):
        views.routers(f"sqlite:///{tmp_path}/none.db")
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_database_of_ours(tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()
    with pytest.raises(InvalidArgumentError, match=r"'empty.db' holds no router"):
        views.routers(f"sqlite:///{tmp_path}/empty.db")
    (tmp_path / "text.db").write_text("no database at all" * 100)
    with pytest.raises(StoreError, match=r"cannot read 'text.db': .* \(file is not a database\)"):
        views.routers(f"sqlite:///{tmp_path}/text.db")
