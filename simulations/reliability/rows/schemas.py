"""U1: a database of every released schema opens, goes on, and means what it meant."""

import shutil
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from banditroute.errors import SchemaVersionError
from banditroute.store.maintenance.upgrade import upgrade
from banditroute.store.schema.version import SCHEMA_VERSION
from banditroute.testing import log_of
from banditroute.testing.world import START, Clock, World, a_router, bodies, url
from simulations.reliability.harness.row import Finding, Tick
from tests.store import fixture

STORED = Path(__file__).parents[3] / "tests" / "store" / "fixtures"
NEWER = "9999"


@dataclass(frozen=True, slots=True)
class Schemas:
    """Every stored database is opened and goes on for so many requests.

    While the newest schema has no stored database yet, one that is written now stands for it, and the row says so.
    """

    id: ClassVar[str] = "U1"
    does: ClassVar[str] = "stored databases of every released schema → head, then route, feedback, replay"
    asks: ClassVar[str] = (
        "rows and digest as written down, digest kept across a replay, message for a newer one exact"
    )
    control: ClassVar[str] = "one value of the log changed: another digest"

    stored: Path = STORED
    steps: int = 50

    def measure(self, place: Path, tick: Tick) -> Finding:
        """Each in a copy."""
        stored = sorted(self.stored.glob("schema_*.db"))
        written = [] if any(path.stem == f"schema_{SCHEMA_VERSION}" for path in stored) else [fixture.write(place)]
        wrong: list[str] = []
        databases = [*stored, *written]
        for done, path in enumerate(databases, 1):
            copy = _upgraded(path, place / f"copy-{path.name}")
            wrong += [f"{path.stem}: {fault}" for fault in self._faults(copy, path)]
            tick(done, len(databases))
        newer = _upgraded(databases[-1], place / "newer.sqlite")
        _execute(newer, f"UPDATE br_alembic_version SET version_num = '{NEWER}'")  # noqa: S608  (a constant)
        if (found := _refusal(newer)) != (
            f"database schema {NEWER} is newer than this library ({SCHEMA_VERSION}); upgrade banditroute"
        ):
            wrong.append(f"message: {found}")
        changed = _upgraded(databases[-1], place / "changed.sqlite")
        _execute(changed, "UPDATE br_feedback SET grid_values = zeroblob(length(grid_values)) WHERE learned = 7")
        caught = _digest(changed) != fixture.expected_of(databases[-1])["digest"]
        measured: dict[str, float | str] = {
            "stored": len(stored),
            "written now": len(written),
            "faults": len(wrong),
        }
        measured |= {f"× {fault}": 1 for fault in wrong[:5]}
        return Finding(measured, not wrong, {"other digests": int(caught)}, caught)

    def _faults(self, copy: Path, path: Path) -> Iterator[str]:
        expected = fixture.expected_of(path)
        found = fixture.row_counts(copy)
        if {name: found.get(name) for name in expected["rows"]} != expected["rows"]:
            yield "other rows"
        lived = expected["steps"]
        world = World(clock=Clock(START + lived))
        router = a_router(url(copy), preferences=None, clock=world.clock, ids=bodies(lived + 1))
        if router.digest() != expected["digest"]:
            yield "another digest"
        world.ids = [log_of(router).keys.issue(number.to_bytes(16, "big")) for number in range(1, lived + 1)]
        for number in range(lived, lived + self.steps):
            world.step(router, number)
        digest, health = router.digest(), router.health()
        router.close()
        if health.lost or health.faults:
            yield "faults, or records that were not stored"
        if _digest(copy) != digest:
            yield "another digest after going on and replaying"


def _upgraded(path: Path, copy: Path) -> Path:
    shutil.copyfile(path, copy)
    upgrade(url(copy))
    return copy


def _digest(path: Path) -> str:
    with a_router(url(path), preferences=None) as router:
        return router.digest()


def _refusal(path: Path) -> str:
    try:
        a_router(url(path)).close()
    except SchemaVersionError as error:
        return str(error)
    return "opened"


def _execute(path: Path, statement: str) -> None:
    database = sqlite3.connect(path)
    with database:
        database.execute(statement)
    database.close()
