"""K4: a process is killed at every step it takes on the disk, whatever it is doing, and the power is cut."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from simulations.reliability.harness.activities import ACTIVITIES
from simulations.reliability.harness.aftermath import Aftermath
from simulations.reliability.harness.disk import compiled_shim
from simulations.reliability.harness.row import Finding, Tick
from simulations.reliability.harness.steps import SOURCE


@dataclass(frozen=True, slots=True)
class Syscalls:
    """At most so many kills, in these activities; so many syncs are left out, in those of the control.

    Attributes:
        must_lose: Of what a sync that is left out must be seen.
    """

    id: ClassVar[str] = "K4"
    does: ClassVar[str] = (
        "SQLite: `kill -9` before every write, sync, truncation, rename and unlink, and halfway through writes; "
        "power cut before every sync, synced bytes and names only, and torn"
    )
    asks: ClassVar[str] = "0 unrecoverable, 0 lost, 0 doubled, state bitwise = replay"
    control: ClassVar[str] = "one sync left out: something is lost"

    kills: int = 1_500
    activities: tuple[str, ...] = tuple(ACTIVITIES)
    control_syncs: int = 100
    control_activities: tuple[str, ...] = ("open new", "spool")
    must_lose: frozenset[str] = frozenset({"log", "spool", "directory"})

    def measure(self, place: Path, tick: Tick) -> Finding:
        """Kill, look; pretend, look."""
        shim, all_points = compiled_shim(place, SOURCE), self.kills + self.control_syncs
        found, counts, kills = Aftermath(), Counter[str](), Counter[str]()
        for done, point in enumerate(_points(shim, place / "die", "die", self.kills, self.activities)):
            found += Aftermath(**point["found"])
            kills[point["activity"]] += point["killed"]
            counts.update({name: int(point[name]) for name in ("halfway", "cut", "acknowledged")})
            tick(done, all_points)
        syncs, seen, lost = Counter[str](), Counter[str](), Aftermath()
        control = _points(shim, place / "pretend", "pretend", self.control_syncs, self.control_activities)
        for done, point in enumerate(control):
            wrong = Aftermath(**point["found"])
            lost += wrong
            syncs[_kind(point["sync"])] += 1
            seen[_kind(point["sync"])] += not wrong.none
            tick(self.kills + done, all_points)
        measured: dict[str, float | str] = {
            "kills": kills.total(),
            "of them": ", ".join(f"{count} in {name}" for name, count in kills.items()),
            "halfway through a write": counts["halfway"],
            "power cuts": counts["cut"],
            "acknowledged": counts["acknowledged"],
            **found.figures(),
        }
        holds = found.none and kills.total() > 0 and min(kills.values()) > 0
        figures: dict[str, float | str] = {
            "left out": syncs.total(),
            "seen": ", ".join(f"{seen[kind]} of {count} of the {kind}" for kind, count in syncs.items()),
            "lost": lost.lost,
            "unrecoverable": lost.unrecoverable,
        }
        return Finding(measured, holds, figures, all(seen[kind] for kind in self.must_lose))


def _points(
    shim: Path, place: Path, mode: str, count: int, activities: tuple[str, ...]
) -> Iterator[dict[str, Any]]:
    """What is said of each point.

    Raises:
        ChildProcessError: if that ends before its end.
    """
    place.mkdir()
    environment = os.environ | {"LD_PRELOAD": str(shim), "OPENBLAS_NUM_THREADS": "1"}
    # The inodes are compared by their paths.
    program = [
        sys.executable,
        "-m",
        "simulations.reliability.harness.deaths",
        str(place.resolve()),
        mode,
        str(count),
    ]
    with subprocess.Popen([*program, *activities], env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            yield json.loads(line)
    if process.returncode:
        raise ChildProcessError(f"{mode} ended with {process.returncode}")


def _kind(name: str) -> str:
    """Of what a file is."""
    if name.endswith("-wal"):
        return "log"
    suffix = Path(name).suffix
    return "spool" if suffix == ".spool" else "database" if suffix else "directory"
