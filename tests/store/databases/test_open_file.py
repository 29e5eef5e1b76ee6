"""A database file that is deleted, moved or replaced under an open router."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from banditroute import Receipt, Router
from banditroute.core.ids import random_key
from banditroute.store.databases.open_file import OpenFile
from banditroute.store.maintenance import views
from banditroute.store.maintenance.backup import back_up
from banditroute.testing.world import a_router, a_vector, url

N = 20


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "routing.db"


def opened(path: Path) -> Router:
    return a_router(url(path), ids=random_key)


def requests(router: Router, first: int) -> list[Receipt]:
    """Route and report ``N`` times, and wait until all records are durable."""
    receipts = []
    for number in range(first, first + N):
        decision = router.route(a_vector(number))
        receipts.append(router.feedback(decision.id, quality=number / 1000))
    return [receipt.wait(30) for receipt in receipts]


def stored(path: Path) -> tuple[int, int]:
    (found,) = views.routers(url(path))
    return found.decisions, found.feedback


def delete(path: Path) -> None:
    path.unlink()


def move(path: Path) -> None:
    path.rename(path.with_name("elsewhere.db"))


def move_with_log(path: Path) -> None:
    move(path)
    for suffix in ("-wal", "-shm"):
        path.with_name(f"{path.name}{suffix}").rename(path.with_name(f"elsewhere.db{suffix}"))


def replace(path: Path) -> None:
    path.with_name("backup.db").rename(path)


def replace_log_too(path: Path) -> None:
    for suffix in ("-wal", "-shm"):
        path.with_name(f"{path.name}{suffix}").unlink()
    replace(path)


def overwrite(path: Path) -> None:
    # The backup is smaller: it was made before the file grew.
    shutil.copy(path.with_name("backup.db"), path)


FAULTS = (delete, move, move_with_log, replace, replace_log_too)


@pytest.mark.parametrize("fault", FAULTS)
def test_no_record_is_acknowledged_as_stored_after_the_file_is_gone(
    path: Path, fault: Callable[[Path], None]
) -> None:
    with opened(path) as router:
        requests(router, 0)
        back_up(url(path), path.with_name("backup.db"))
        fault(path)
        receipts = requests(router, N)
        assert {receipt.status for receipt in receipts} == {"buffered"}
        health = router.health()
        assert (health.state, health.spooled, health.lost) == ("spooling", 2 * N, 0)
        assert "the database file was " in health.last_error
    if not path.exists():
        path.with_name("backup.db").rename(path)
    with opened(path) as router:
        router.sync()
        assert router.health().state == "healthy"
        assert len({router.why(receipt.decision_id).decision_id for receipt in receipts}) == N
    assert stored(path) == (2 * N, 2 * N)
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.mark.parametrize("fault", [move_with_log, replace_log_too])
def test_without_the_comparison_records_are_acknowledged_and_lost(
    path: Path, fault: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OpenFile, "problem", lambda _self: None)
    with opened(path) as router:
        requests(router, 0)
        back_up(url(path), path.with_name("backup.db"))
        fault(path)
        receipts = requests(router, N)
        assert {receipt.status for receipt in receipts} == {"recorded"}
    if not path.exists() or not path.stat().st_size:
        path.with_name("backup.db").rename(path)
    assert stored(path) == (N, N)


def test_a_file_that_was_overwritten_in_place_is_recognised_if_it_is_smaller(path: Path) -> None:
    with opened(path) as router:
        requests(router, 0)
        back_up(url(path), path.with_name("backup.db"))
        for number in range(40):
            requests(router, N * (number + 1))
        with closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        requests(router, 0)
        overwrite(path)
        assert {receipt.status for receipt in requests(router, 0)} == {"buffered"}
        assert "overwritten" in router.health().last_error


def test_a_file_that_is_moved_back_takes_the_records(path: Path) -> None:
    with opened(path) as router:
        requests(router, 0)
        path.rename(path.with_name("elsewhere.db"))
        receipts = requests(router, N)
        assert {receipt.status for receipt in receipts} == {"buffered"}
        path.with_name("elsewhere.db").rename(path)
    assert stored(path) == (2 * N, 2 * N)


def test_the_sentence_says_what_happened_to_the_file(path: Path) -> None:
    path.write_bytes(b"12345")
    file = OpenFile(path)
    assert file.problem() is None
    path.rename(path.with_name("elsewhere.db"))
    assert str(file.problem()).startswith("the database file was deleted or moved while it was open")
    path.write_bytes(b"12345")
    assert str(file.problem()).startswith("the database file was replaced while it was open")
    path.unlink()
    path.with_name("elsewhere.db").rename(path)
    assert file.problem() is None
    path.write_bytes(b"12")
    assert str(file.problem()).startswith("the database file was overwritten while it was open")
