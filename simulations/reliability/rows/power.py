"""K2: the power is cut, and of what was not synced the disk holds nothing, or any part."""

import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from banditroute.store.sql.store import SqlStore
from simulations.reliability.harness.damage import Damage, damage
from simulations.reliability.harness.disk import compiled_shim, running, sleep_until, synced_image, torn_image
from simulations.reliability.harness.row import Finding, Tick
from simulations.reliability.harness.victim import FullStore, NormalStore, OffStore

CUTS_PER_LIFE = 10
LONGEST_WAIT = 0.08


@dataclass(slots=True)
class Cuts:
    """What was found after the cuts of one level, and how many images were bad."""

    synced: Damage
    torn: Damage
    losing: int = 0
    corrupt: int = 0


@dataclass(frozen=True, slots=True)
class PowerCuts:
    """So many cuts at each level of ``synchronous``; each gives one image of what was synced and one torn one."""

    id: ClassVar[str] = "K2"
    does: ClassVar[str] = "SQLite: power cut at random moments, synced bytes only and torn 4 KiB pages"
    asks: ClassVar[str] = "FULL: 0 lost, 0 corrupt, state bitwise = replay"
    control: ClassVar[str] = "synchronous=NORMAL loses in ≥ 20 %, OFF corrupts ≥ 50 % (torn)"

    cuts: int = 100
    least_losing: float = 0.2
    least_corrupt: float = 0.5

    def measure(self, place: Path, tick: Tick) -> Finding:
        """Cut at each level in turn."""
        shim = compiled_shim(place)
        found: dict[str, Cuts] = {}
        levels = {"FULL": FullStore, "NORMAL": NormalStore, "OFF": OffStore}
        for number, (level, kind) in enumerate(levels.items()):
            found[level] = self._cut(place / level, shim, kind, tick, number * self.cuts)
        full, normal, off = found.values()
        total = full.synced + full.torn
        measured: dict[str, float | str] = {"images": 2 * self.cuts, **total.figures()}
        control: dict[str, float | str] = {
            "NORMAL": f"lost in {normal.losing} of {self.cuts} cuts, {normal.synced.lost:,} feedbacks",
            "OFF": f"{off.corrupt} of {self.cuts} torn images corrupt",
        }
        caught = normal.losing >= self.least_losing * self.cuts and off.corrupt >= self.least_corrupt * self.cuts
        return Finding(measured, total.none, control, caught)

    def _cut(self, place: Path, shim: Path, kind: type[SqlStore], tick: Tick, done: int) -> Cuts:
        moments, cuts = random.Random(20261124), Cuts(Damage(), Damage())  # noqa: S311  (no secrets)
        for life in range(0, self.cuts, CUTS_PER_LIFE):
            with running(place / str(life), shim, kind) as disk:
                for number in range(life, min(life + CUTS_PER_LIFE, self.cuts)):
                    disk.wait_for_life()
                    sleep_until(time.monotonic() + moments.uniform(0.0, LONGEST_WAIT))
                    with disk.cut():
                        synced = synced_image(disk, place / f"synced-{number}")
                        torn = torn_image(disk, place / f"torn-{number}", moments)
                        after_cut, after_tearing = (
                            damage(synced, disk.acknowledged),
                            damage(torn, disk.acknowledged),
                        )
                    cuts.synced += after_cut
                    cuts.torn += after_tearing
                    cuts.losing += bool(after_cut.lost)
                    cuts.corrupt += bool(after_tearing.corrupt)
                    tick(done + number + 1, 3 * self.cuts)
        return cuts
