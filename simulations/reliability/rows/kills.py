"""K1: a process that writes to SQLite is killed at any moment."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from banditroute.store.sql.store import SqlStore
from simulations.reliability.harness.child import killed
from simulations.reliability.harness.damage import Damage, damage
from simulations.reliability.harness.row import Finding, Tick
from simulations.reliability.harness.victim import NormalStore, SplitStore


@dataclass(frozen=True, slots=True)
class Kills:
    """Kills at so many random moments at each level; at most so many until the control is caught."""

    id: ClassVar[str] = "K1"
    does: ClassVar[str] = "SQLite: `kill -9` at random moments of group commit and fold, FULL and NORMAL"
    asks: ClassVar[str] = "0 acknowledged lost, 0 gaps, doubles or halves, 0 corrupt, state bitwise = replay"
    control: ClassVar[str] = "sums moved in a second transaction: state ≠ log"

    kills: int = 200
    control_kills: int = 50

    def measure(self, place: Path, tick: Tick) -> Finding:
        """Kill, look, kill."""
        found, figures, done = Damage(), {}, 0
        for level, kind in (("FULL", SqlStore), ("NORMAL", NormalStore)):
            directory = place / level
            directory.mkdir()
            figures[f"kills in {level}"] = self.kills
            for path, acknowledged in killed(directory, kind, self.kills, seed=20261122):
                found += damage(path, acknowledged)
                tick(done := done + 1, 2 * self.kills + self.control_kills)
        split, kills = Damage(), 0
        for path, acknowledged in killed(place, SplitStore, self.control_kills, seed=20261123):
            split += damage(path, acknowledged)
            kills += 1
            if split.differing:
                break
        control = {"kills": kills, "state ≠ replay": split.differing}
        return Finding({**figures, **found.figures()}, found.none, control, split.differing > 0)
