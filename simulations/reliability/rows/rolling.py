"""U3: a worker of the schema before, open during the upgrade, beside a new one."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from unittest import mock

from banditroute import Arm, Router
from banditroute.errors import BanditRouteError, SchemaVersionError
from banditroute.router.log_check import fold_of
from banditroute.store.maintenance.upgrade import upgrade
from banditroute.store.maintenance.verify import verify
from banditroute.store.sql import store as sql_store
from banditroute.testing.world import url
from simulations.reliability.harness.quiet import quiet
from simulations.reliability.harness.row import Finding, Tick
from tests.server import own_server
from tests.store.earlier import earlier_version, old_worker


@dataclass(frozen=True, slots=True)
class Rolling:
    """So many requests of a new worker, between 50 and 50 of an old one, on each database."""

    id: ClassVar[str] = "U3"
    does: ClassVar[str] = (
        "SQLite and PostgreSQL: the schema is upgraded under an open worker of the version before"
    )
    asks: ClassVar[str] = (
        "the old worker continues, 0 lost, equal digests; each version refuses the other's schema"
    )
    control: ClassVar[str] = "a new worker that does not look at the version of the schema"

    requests: int = 200

    def measure(self, place: Path, tick: Tick) -> Finding:
        """Upgrade each database under an old worker; then open an old database without looking."""
        earlier = earlier_version(place / "earlier")
        urls = [url(place / "r.db"), own_server().new_database()]
        faults: dict[str, float | str] = {"lost": 0, "unequal digests": 0, "not refused": 0, "missing": 0}
        for done, address in enumerate(urls, 1):
            for name, count in self._upgraded(address, earlier).items():
                faults[name] = int(faults[name]) + count
            tick(done, len(urls) + 1)
        with mock.patch.object(sql_store, "check_version"), quiet():
            wrong = self._without_looking(url(place / "control.db"), earlier)
        return Finding({"databases": len(urls), **faults}, not any(faults.values()), {"lost": wrong}, wrong > 0)

    def _upgraded(self, address: str, earlier: Path) -> dict[str, int]:
        not_refused = 1
        with old_worker(address, earlier) as old:
            lost = int(old.ask("go") != "healthy 0")
            with suppress(SchemaVersionError):
                _svc(address).close()
                not_refused += 1
            not_refused -= 1
            upgrade(address)
            with _svc(address) as new:
                for number in range(self.requests):
                    new.feedback(new.route([number / self.requests, 0.1]).id, quality=0.25)
                lost += old.ask("go") != "healthy 0"
                new.sync()
                digest = old.ask("digest")
                new.sync()
                unequal = int(digest != new.digest())
                health = new.health()
                old.ask("end")
        lost += health.lost
        missing = self.requests + 100 - health.n_feedback
        missing += len(verify(address, fold_of)[0].findings)
        return {
            "lost": lost,
            "unequal digests": unequal,
            "not refused": not_refused,
            "missing": missing,
        }

    def _without_looking(self, address: str, earlier: Path) -> int:
        with old_worker(address, earlier) as old:
            old.ask("end")
        lost = 0
        try:
            with _svc(address) as router:
                for number in range(20):
                    router.route([number / 20, 0.1])
                with suppress(BanditRouteError):
                    router.flush()
                lost = router.health().lost + router.health().spooled
        except BanditRouteError:
            lost += 1
        return lost


def _svc(address: str) -> Router:
    return Router("svc", arms=[Arm("a"), Arm("b")], store=address, seed=2)
