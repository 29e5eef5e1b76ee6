"""What a process does to a database while it is killed: each activity with the disk on which it begins."""

import sqlite3
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from sqlalchemy import Connection

from banditroute import Router
from banditroute.core.ids import DecisionIds
from banditroute.errors import BanditRouteError
from banditroute.router.log_check import agrees, fold_of
from banditroute.store.maintenance import compact, setup
from banditroute.store.maintenance.upgrade import upgrade
from banditroute.store.maintenance.verify import verify
from banditroute.store.schema.version import SCHEMA_VERSION
from banditroute.store.sql.log import RouterLog
from banditroute.store.sql.store import SqlStore
from banditroute.testing.world import SECRET, START, a_router, a_vector, bodies, url
from simulations.reliability.harness import release

Say: TypeAlias = Callable[[int], None]
"""Acknowledges: feedback of decision n on quality is 2 n, on the response 2 n + 1."""

DONE = 0
OTHERWISE = 1_000_000_000
"""Added to the number of a feedback that contradicts the one which was stored."""

DATABASE, SPOOL = "routing.db", "spool"
PATIENCE = 30.0
LIVED, TOLD_TWICE = 12, 3
LATER_US = int((START + 3 * 86_400) * 1e6)
_left_open: list[object] = []


class Unfolded(RouterLog):
    """Leaves what it appended to be folded by others."""

    def _fold_all(self, connection: Connection) -> None:
        pass


class UnfoldedStore(SqlStore):
    """A worker that dies before every fold."""

    ledger = Unfolded


def opened(disk: Path, *, first: int = 1, kind: type[SqlStore] = SqlStore, patience: float | None = 0.0) -> Router:
    """The router on this disk; its next decision gets the number ``first``.

    Who finds the database locked goes to the spool, at once if without patience.
    """
    store = kind(url(disk / DATABASE), patience=patience, spool=disk / SPOOL)
    return a_router(store, ids=bodies(first))


def quality(number: int) -> float:
    """What is said of a decision; what contradicts it is a bit more."""
    return number % 8 / 8


def live(router: Router, numbers: Iterable[int], say: Say) -> None:
    """Decide, and tell both groups of each decision."""
    for number in numbers:
        decision = router.route(a_vector(number))
        router.feedback(decision.id, quality=quality(number)).wait(PATIENCE)
        say(2 * number)
        router.feedback(decision.id, cost_usd=0.01, latency_s=number % 4).wait(PATIENCE)
        say(2 * number + 1)


def locked(disk: Path) -> sqlite3.Connection:
    """Block all writers of the database until this is closed."""
    connection = sqlite3.connect(disk / DATABASE, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    return connection


def _init(disk: Path, say: Say) -> None:
    setup.init(url(disk / DATABASE))
    say(DONE)


def _begin(disk: Path, say: Say) -> None:
    with opened(disk) as router:
        live(router, range(1, 3), say)


def _lived(disk: Path, say: Say) -> None:
    with opened(disk) as router:
        for first in range(1, LIVED, 4):
            live(router, range(first, first + 4), say)
            router.sync()


def _left(disk: Path, say: Say) -> None:
    """A process that was killed: its write-ahead log is there, and some of what is in it is not folded."""
    with opened(disk) as router:
        live(router, range(1, 4), say)
    router = opened(disk, first=4, kind=UnfoldedStore)
    live(router, range(4, 8), say)
    _left_open.append(router)


def _go_on(disk: Path, say: Say) -> None:
    with opened(disk, first=50) as router:
        live(router, range(50, 52), say)


def _snapshots(disk: Path, say: Say) -> None:
    with opened(disk, first=50) as router:
        for number in range(50, 55):
            live(router, (number,), say)
            router.sync()
    say(DONE)


def _compact(disk: Path, say: Say) -> None:
    store = url(disk / DATABASE)
    (done,) = compact.compact(store, fold_of, agrees, older_than_days=1, now_us=LATER_US)
    assert done.decisions > compact.SWEPT
    say(DONE)


def _spooling(disk: Path, say: Say) -> None:
    with opened(disk, first=50) as router:
        live(router, range(50, 51), say)
        with closing(locked(disk)):
            live(router, range(51, 55), say)
            assert router.health().spooled > 0
        live(router, range(55, 57), say)


def _orphaned(disk: Path, say: Say) -> None:
    """A process that is killed while its spool is not empty."""
    router = opened(disk)
    live(router, range(1, 3), say)
    told = router.route(a_vector(TOLD_TWICE))
    router.flush()
    _left_open.append((router, locked(disk)))
    router.feedback(told.id, quality=quality(TOLD_TWICE) + 1 / 16).wait(PATIENCE)
    say(OTHERWISE + 2 * TOLD_TWICE)
    live(router, range(4, 8), say)


def _contradicted(disk: Path, say: Say) -> None:
    """Another one, which stores the opposite of something that waits there."""
    told = DecisionIds((SECRET,), "", "world").issue(TOLD_TWICE.to_bytes(16, "big"))
    with a_router(SqlStore(url(disk / DATABASE))) as router:
        router.feedback(told, quality=quality(TOLD_TWICE)).wait(PATIENCE)
    say(2 * TOLD_TWICE)


def _upgrade(disk: Path, say: Say) -> None:
    upgrade(url(disk / DATABASE))
    say(DONE)


def _is_created(disk: Path) -> bool:
    return _version(disk) == SCHEMA_VERSION


def _has_snapshot(disk: Path) -> bool:
    with closing(sqlite3.connect(disk / DATABASE)) as database:
        newest: int = database.execute("SELECT max(learned) FROM br_snapshot").fetchone()[0]
    return newest > 2 * LIVED


def _is_compacted(disk: Path) -> bool:
    return verify(url(disk / DATABASE), fold_of)[0].compacted.n_decisions > 0


def _is_upgraded(disk: Path) -> bool:
    return _version(disk) == release.NEXT


def _version(disk: Path) -> str | None:
    try:
        return setup.current(url(disk / DATABASE))
    except BanditRouteError:
        return None


@dataclass(frozen=True, slots=True)
class Activity:
    """Something that a process may be killed at.

    Attributes:
        begin: What processes did before on an empty disk, one after the other; each of them died.
        act: Does it.
        settled: Whether what was done when it said ``DONE`` is done.
        keeps: Whether it must not change what is known.
        upgrades: Whether it is done by the next release, which has one migration more.
    """

    begin: tuple[Callable[[Path, Say], None], ...]
    act: Callable[[Path, Say], None]
    settled: Callable[[Path], bool] = lambda _: True
    keeps: bool = False
    upgrades: bool = False


ACTIVITIES: Mapping[str, Activity] = {
    "init": Activity((), _init, _is_created),
    "open new": Activity((), _begin),
    "open old": Activity((_left,), _go_on),
    "migrate": Activity((_lived,), _upgrade, _is_upgraded, keeps=True, upgrades=True),
    "snapshot": Activity((_lived,), _snapshots, _has_snapshot),
    "compact": Activity((_lived,), _compact, _is_compacted, keeps=True),
    "spool": Activity((_lived,), _spooling),
    "replay": Activity((_orphaned, _contradicted), _go_on),
}
