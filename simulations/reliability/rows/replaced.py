"""B1 and B2: a database file that is gone or another, and errors that say nothing about a record."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from unittest import mock

from banditroute import Router
from banditroute.core.ids import random_key
from banditroute.store.databases import sqlite
from banditroute.store.databases.open_file import OpenFile
from banditroute.store.maintenance import views
from banditroute.store.maintenance.backup import back_up
from banditroute.testing.world import a_router, a_vector, url
from simulations.reliability.harness.row import Finding, Tick


def _requests(router: Router, count: int) -> set[str]:
    """Route and report ``count`` requests; return the statuses of the receipts."""
    receipts = [
        router.feedback(router.route(a_vector(number)).id, quality=number / count) for number in range(count)
    ]
    return {receipt.wait(30).status for receipt in receipts}


def _stored(path: Path) -> int:
    return sum(each.decisions + each.feedback for each in views.routers(url(path)))


def _siblings(path: Path) -> list[Path]:
    return [path.with_name(f"{path.name}{suffix}") for suffix in ("-wal", "-shm")]


def _moved(path: Path) -> None:
    for each in (path, *_siblings(path)):
        each.rename(each.with_name(f"away {each.name}"))


def _replaced(path: Path) -> None:
    for each in _siblings(path):
        each.unlink()
    path.with_name("backup.db").rename(path)


FAULTS: Mapping[str, Callable[[Path], None]] = {
    "deleted": Path.unlink,
    "moved": _moved,
    "replaced by a backup": _replaced,
}


@dataclass(frozen=True, slots=True)
class ReplacedFiles:
    """So many requests, each with feedback, before and after the file is deleted, moved or replaced."""

    id: ClassVar[str] = "B1"
    does: ClassVar[str] = "SQLite: the file is deleted, moved, or replaced by a backup under an open router"
    asks: ClassVar[str] = "0 acknowledged as stored that the path does not hold; all of them there when reopened"
    control: ClassVar[str] = "a store that never compares the open file with its path"

    requests: int = 200

    def measure(self, place: Path, tick: Tick) -> Finding:
        """Each fault, then the worst of them without the comparison."""
        acknowledged = missing = unsaid = 0
        for done, (name, fault) in enumerate(FAULTS.items(), 1):
            wrong, silent, lost = self._lived(place / f"{name}.db", fault)
            acknowledged, unsaid, missing = acknowledged + wrong, unsaid + silent, missing + lost
            tick(done, len(FAULTS) + 1)
        with mock.patch.object(OpenFile, "problem", return_value=None):
            wrong, _, lost = self._lived(place / "control.db", _replaced)
        measured = {
            "faults": len(FAULTS),
            "acknowledged as stored": acknowledged,
            "not said by health()": unsaid,
            "missing when reopened": missing,
        }
        holds = not (acknowledged or unsaid or missing)
        return Finding(measured, holds, {"acknowledged": wrong, "missing when reopened": lost}, lost > 0)

    def _lived(self, path: Path, fault: Callable[[Path], None]) -> tuple[int, int, int]:
        """Return whether receipts were wrong, whether health() was silent, and how many records are missing."""
        with a_router(url(path), ids=random_key) as router:
            _requests(router, self.requests)
            back_up(url(path), path.with_name("backup.db"))
            fault(path)
            statuses = _requests(router, self.requests)
            silent = router.health().state == "healthy"
        backup = path.with_name("backup.db")
        if backup.exists():
            backup.replace(path)
        with a_router(url(path), ids=random_key) as router:
            router.sync()
        return int("recorded" in statuses), int(silent), 4 * self.requests - _stored(path)


def _ruined(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * (path.stat().st_size - 100))


def _without_table(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("ALTER TABLE br_decision RENAME TO away")


def _without_column(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("ALTER TABLE br_decision RENAME COLUMN mode TO away")


BROKEN: Mapping[str, Callable[[Path], None]] = {
    "malformed": _ruined,
    "no table": _without_table,
    "no column": _without_column,
}


@dataclass(frozen=True, slots=True)
class InnocentRecords:
    """So many requests, each with feedback, while the database fails for a reason that is not in them."""

    id: ClassVar[str] = "B2"
    does: ClassVar[str] = "SQLite: the file is malformed, or lacks a table or a column, under an open router"
    asks: ClassVar[str] = "0 records refused; all wait in the spool, and are stored after the repair"
    control: ClassVar[str] = "a store that refuses the records of every error that it does not know"

    requests: int = 100

    def measure(self, place: Path, tick: Tick) -> Finding:
        """Each fault; then one of them with the wrong presumption."""
        refused = missing = 0
        for done, (name, broken) in enumerate(BROKEN.items(), 1):
            lost, away = self._lived(place / f"{name}.db", broken)
            refused, missing = refused + lost, missing + away
            tick(done, len(BROKEN) + 1)
        with _presuming_guilt():
            lost, away = self._lived(place / "control.db", _without_table)
        measured = {"faults": len(BROKEN), "refused": refused, "missing after the repair": missing}
        return Finding(
            measured, not (refused or missing), {"refused": lost, "missing after the repair": away}, lost > 0
        )

    def _lived(self, path: Path, broken: Callable[[Path], None]) -> tuple[int, int]:
        with a_router(url(path), ids=random_key) as router:
            router.route(a_vector(0)).wait(30)
        whole = path.read_bytes()
        with a_router(url(path), ids=random_key) as router:
            broken(path)
            for number in range(self.requests):
                router.feedback(router.route(a_vector(number)).id, quality=0.5)
        lost = router.health().lost
        for each in _siblings(path):
            each.unlink(missing_ok=True)
        path.write_bytes(whole)
        with a_router(url(path), ids=random_key) as router:
            router.sync()
        return lost, 2 * self.requests + 1 - _stored(path)


@contextmanager
def _presuming_guilt() -> Iterator[None]:
    with mock.patch.object(sqlite, "_is_of_value", return_value=True):
        yield
