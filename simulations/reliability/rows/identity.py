"""I1: ids that were issued while the database was away."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

from banditroute.core.ids import random_key
from banditroute.errors import InvalidDecisionIdError
from banditroute.store.spool.directory import Spools
from banditroute.testing.world import a_router, a_vector, url
from simulations.reliability.harness.row import Finding, Tick


@dataclass(frozen=True, slots=True)
class IdsWhileAway:
    """So many workers that start while the database is away, each with some requests."""

    id: ClassVar[str] = "I1"
    does: ClassVar[str] = "SQLite: workers start and issue ids while the file is away; it comes back"
    asks: ClassVar[str] = "0 ids refused by another worker or after a restart, 0 records lost"
    control: ClassVar[str] = "each process tags ids with a secret that it keeps to itself"

    rounds: int = 20
    requests: int = 10

    def measure(self, place: Path, tick: Tick) -> Finding:
        """Measure the stored secret, then the private one."""
        refused = lost = 0
        for done in range(self.rounds):
            more, gone = self._lived(place / f"{done}.db")
            refused, lost = refused + more, lost + gone
            tick(done + 1, self.rounds)
        with (
            mock.patch.object(Spools, "secret", lambda _self, new: new),
            mock.patch("banditroute.router.opening._announce"),
        ):
            private, _ = self._lived(place / "control.db")
        measured = {"ids": self.rounds * self.requests, "refused": refused, "lost": lost}
        return Finding(measured, not refused and not lost, {"refused": private}, private > 0)

    def _lived(self, path: Path) -> tuple[int, int]:
        settings: dict[str, Any] = {"ids": random_key, "secret": None, "features": 3}
        a_router(url(path), **settings).close()
        aside = path.with_name(f"{path.name}.aside")
        path.rename(aside)
        # A directory in its place: the database cannot be opened, and cannot be created.
        path.mkdir()
        with a_router(url(path), **settings) as router:
            ids = [router.route(a_vector(number)).id for number in range(self.requests)]
            lost = router.health().lost
        path.rmdir()
        aside.rename(path)
        refused = 0
        with a_router(url(path), **settings) as first, a_router(url(path), **settings) as second:
            first.sync()
            second.sync()
            for decision_id in ids:
                try:
                    second.feedback(decision_id, quality=0.5).wait(30)
                except InvalidDecisionIdError:
                    refused += 1
        return refused, lost
