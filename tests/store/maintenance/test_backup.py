"""Backups of a database, and their restoration under running routers."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from banditroute import Receipt, Router
from banditroute.core.ids import random_key
from banditroute.errors import DecisionExpiredError, InvalidArgumentError, StoreError
from banditroute.store.maintenance import views
from banditroute.store.maintenance.backup import back_up, mark_restored, restore
from banditroute.store.sql import restored
from banditroute.testing.world import a_router, a_vector, url

N = 10


@pytest.fixture
def where(tmp_path: Path) -> str:
    return url(tmp_path / "routing.db")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return tmp_path / "backup.db"


def opened(where: str) -> Router:
    return a_router(where, ids=random_key)


def routed(router: Router) -> list[str]:
    """Route ``N`` requests, wait until their decisions are stored, and return their ids."""
    ids = [router.route(a_vector(number)).id for number in range(N)]
    router.flush()
    return ids


def report(router: Router, ids: list[str]) -> list[Receipt]:
    return [router.feedback(decision_id, quality=0.5).wait(30) for decision_id in ids]


def test_a_backup_under_a_running_router_is_complete(where: str, copy: Path) -> None:
    with opened(where) as router:
        report(router, routed(router))
        back_up(where, copy)
        digest = router.digest()
    with opened(url(copy)) as router:
        assert router.digest() == digest


def test_a_backup_overwrites_nothing(where: str, copy: Path) -> None:
    opened(where).close()
    copy.write_text("mine")
    with pytest.raises(InvalidArgumentError, match=r"file '.*backup.db' exists; give another name"):
        back_up(where, copy)
    assert copy.read_text() == "mine"


def test_feedback_on_decisions_lost_by_a_restoration_is_refused_and_the_rest_is_stored(
    where: str, copy: Path, tmp_path: Path
) -> None:
    with opened(where) as router:
        early = routed(router)
        back_up(where, copy)
        lost = routed(router)
        replaced = restore(copy, where)
        late = routed(router)
        assert router.health().state == "spooling"
    assert replaced is not None
    assert replaced.name.startswith("routing.db.replaced-")
    assert views.routers(url(replaced))[0].decisions == 2 * N
    with opened(where) as router:
        assert {receipt.status for receipt in report(router, early + late)} == {"recorded"}
        for decision_id in lost:
            receipt = router.feedback(decision_id, quality=0.5)
            with pytest.raises(DecisionExpiredError, match="between a backup and its restoration") as caught:
                receipt.wait(30)
            assert (caught.value.code, receipt.status) == ("decision.lost", "refused")
        health = router.health()
        assert (health.lost, health.reports, health.orphans, health.state) == (0, 0, 0, "healthy")
        assert report(router, routed(router))[0].status == "recorded"
    assert copy.exists()
    with closing(sqlite3.connect(tmp_path / "routing.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_without_the_note_of_the_restoration_such_feedback_waits_in_vain(
    where: str, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restored, "gaps", lambda _connection: [])
    with opened(where) as router:
        back_up(where, copy)
        lost = routed(router)
        restore(copy, where)
    with opened(where) as router:
        assert {receipt.status for receipt in report(router, lost)} == {"pending"}


def test_a_database_restored_by_other_tools_is_told_so(where: str, copy: Path) -> None:
    with opened(where) as router:
        early = routed(router)
        back_up(where, copy)
        lost = routed(router)
    Path(copy).rename(where.removeprefix("sqlite:///"))
    mark_restored(where)
    with opened(where) as router:
        assert report(router, early)[0].status == "recorded"
        with pytest.raises(DecisionExpiredError):
            report(router, lost)


def test_a_missing_or_damaged_database_can_be_restored(where: str, copy: Path) -> None:
    path = Path(where.removeprefix("sqlite:///"))
    with opened(where) as router:
        report(router, routed(router))
    back_up(where, copy)
    path.unlink()
    assert restore(copy, where) is None
    assert views.routers(where)[0].feedback == N
    path.write_bytes(b"no database" * 1000)
    assert restore(copy, where) is not None
    assert views.routers(where)[0].feedback == N


def test_a_file_that_is_no_backup_is_refused_and_nothing_is_changed(where: str, tmp_path: Path) -> None:
    opened(where).close()
    before = Path(where.removeprefix("sqlite:///")).read_bytes()
    (tmp_path / "empty").touch()
    (tmp_path / "text").write_text("no database" * 1000)
    (tmp_path / "routing.db.restoring").write_text("left by a killed process")
    for name, problem in [
        ("none", "no file"),
        ("empty", "holds no router"),
        ("text", "file is not a database"),
        ("routing.db", "is the database itself"),
    ]:
        with pytest.raises((InvalidArgumentError, StoreError), match=problem):
            restore(tmp_path / name, where)
    assert Path(where.removeprefix("sqlite:///")).read_bytes() == before
    assert sorted(each.name for each in tmp_path.iterdir()) == ["empty", "routing.db", "text"]


def test_a_server_has_its_own_tools(copy: Path) -> None:
    pytest.importorskip("psycopg")
    calls: list[Callable[[], object]] = [
        lambda: back_up("postgresql://h/d", copy),
        lambda: restore(copy, "postgresql://h/d"),
    ]
    for call in calls:
        with pytest.raises(InvalidArgumentError, match="pg_dump"):
            call()
