"""U2: a database is upgraded under workers of the old version, by somebody who is killed again and again."""

import random
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from banditroute.store.schema.version import SCHEMA_VERSION
from banditroute.testing.world import url as file_url
from simulations.reliability.harness import release
from simulations.reliability.harness.changeover import Life
from simulations.reliability.harness.child import Child
from simulations.reliability.harness.quiet import quiet
from simulations.reliability.harness.row import Finding, Tick
from simulations.reliability.rows.outage import a_worker
from tests.server import own_server

LONGEST_S = 0.01
"""How long after the beginning of a point its kill may come [s]."""

COUNTED = (
    "routes",
    "acknowledged",
    "of the new version",
    "kills",
    "held up",
    "looks",
    "bytes in spools",
    "copies",
)
FAULTS = (
    "failed",
    "by the fallback",
    "lost",
    "twice",
    "not acknowledged",
    "seen half",
    "seen to go back",
    "not through",
    "wrong openings",
    "copies not whole",
    "without the new column",
    "state ≠ replay",
)


def _is_whole(copy: Path) -> bool:
    """Whether a copy is one of the database as it was before the upgrade."""
    with closing(sqlite3.connect(copy)) as database:
        try:
            (found,) = database.execute("SELECT version_num FROM br_alembic_version").fetchall()
            (sound,) = database.execute("PRAGMA integrity_check").fetchall()
        except (sqlite3.Error, ValueError):
            return False
    return (found, sound) == ((SCHEMA_VERSION,), ("ok",))


@dataclass(frozen=True, slots=True)
class Upgrades:
    """So many kills, and so many seconds of service, half of them on each database.

    The upgrade that is not killed keeps its locks ``hold`` [s] longer than it must.
    """

    id: ClassVar[str] = "U2"
    does: ClassVar[str] = (
        "SQLite and PostgreSQL: upgraded to a made-up next schema under old workers, `kill -9` at each point of "
        "the upgrade; then old and new workers side by side"
    )
    asks: ClassVar[str] = (
        "0 failed routes, all feedback acknowledged and in the journal once, the one version or the other, never "
        "half, a rerun completes, state bitwise = replay, refusals word for word"
    )
    control: ClassVar[str] = "a revision that commits each step and changes a column in place"

    kills: int = 50
    seconds: float = 60.0
    workers: int = 2
    rate: float = 50.0
    hold: float = 7.0
    control_kills: int = 8
    control_seconds: float = 6.0

    @quiet()
    def measure(self, place: Path, tick: Tick) -> Finding:
        """Upgrade under load, SQLite first."""
        server, done = own_server(), 0

        def step() -> None:
            nonlocal done
            done += 1
            tick(done, self.kills + self.control_kills)

        good = release.scripts(place / "good", release.ADDITIVE)
        found = Counter[str]()
        for kind, url, like in (
            ("sqlite", file_url(place / "routing.db"), file_url(place / "like.db")),
            ("postgres", server.new_database(), server.new_database()),
        ):
            kills = _moments(_points(like, good), self.kills // 2)
            life = Life(url, place / kind, good, self.workers, self.rate, self.hold)
            found.update(life.lived(kills, self.seconds / 2, step))
        copies = list(place.glob("routing.db.before-*Z"))
        found.update({"copies": len(copies), "copies not whole": sum(not _is_whole(copy) for copy in copies)})
        careless = release.scripts(place / "careless", release.CARELESS)
        kills = _moments(_points(server.new_database(), careless), self.control_kills)
        life = Life(server.new_database(), place / "control", careless, self.workers, self.rate, hold=0.0)
        control = life.lived(kills, self.control_seconds, step)
        wrong = sum(found[name] for name in FAULTS)
        enough = found["kills"] == self.kills // 2 * 2 and found["of the new version"] > 0
        holds = not wrong and enough and (found["bytes in spools"] > 0 or not self.hold)
        caught = all(control[name] for name in ("seen half", "not through", "not acknowledged"))
        return Finding(
            {name: found[name] for name in (*COUNTED, *FAULTS)},
            holds,
            {name: control[name] for name in FAULTS if control[name]},
            caught,
        )


def _points(url: str, scripts: Path) -> int:
    """Return how many points an upgrade of such a database has, if no worker is open."""
    a_worker(url).close()
    child = Child.start(release.upgrade, url, scripts)
    points = child.acknowledged_until_dead(kill_after=None)
    if child.process.exitcode != release.DONE:
        raise RuntimeError("a database on which nobody works is not upgraded")
    return max(points)


def _moments(points: int, kills: int) -> list[tuple[int, float]]:
    """Points, each as often as the others, the last commit at the end; half of the kills come some time later."""
    moments = random.Random(20261126)  # noqa: S311  (moments, no secrets)
    spread = [1 + number * (points - 1) // (kills - 1) for number in range(kills - 1)]
    delays = (0.0 if number % 2 else moments.uniform(0.0, LONGEST_S) for number in range(kills))
    return list(zip([*spread, points], delays, strict=True))
