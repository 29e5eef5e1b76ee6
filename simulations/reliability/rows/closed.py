"""B4: calls of a closed router, and receipts of a parent in a forked child."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from unittest import mock

from banditroute import Arm, Router
from banditroute.core.ids import random_key
from banditroute.errors import RouterClosedError, StoreUnavailableError
from banditroute.router.engine import Engine
from banditroute.testing.world import a_router, a_vector, url
from simulations.reliability.harness.quiet import quiet
from simulations.reliability.harness.row import Finding, Tick

PATIENCE = 20.0
"""How long a child waits for a receipt of its parent, which it cannot get [s]."""

CALLS: Mapping[str, Callable[[Router, str], object]] = {
    "route": lambda router, _: router.route(a_vector(1)),
    "would_choose": lambda router, _: router.would_choose(a_vector(1)),
    "feedback": lambda router, decision_id: router.feedback(decision_id, quality=0.5),
    "preferences": lambda router, _: setattr(router, "preferences", {"quality": 1.0}),
    "add_arm": lambda router, _: router.add_arm(Arm("new")),
    "drain_arm": lambda router, _: router.drain_arm("small"),
    "forget": lambda router, decision_id: router.forget(decisions=[decision_id]),
    "why": lambda router, decision_id: router.why(decision_id),
    "flush": lambda router, _: router.flush(),
    "sync": lambda router, _: router.sync(),
}


@dataclass(frozen=True, slots=True)
class Closed:
    """All methods of a closed router, and so many forks, each with a decision and a receipt to wait for."""

    id: ClassVar[str] = "B4"
    does: ClassVar[str] = "a router is used after close(); children wait for receipts of their parent"
    asks: ClassVar[str] = "each call refused with RouterClosedError; each child told at once; 0 lost in the parent"
    control: ClassVar[str] = "a router that does not know that it is closed"

    forks: int = 10

    def measure(self, place: Path, tick: Tick) -> Finding:
        """The calls, the forks, and then the calls of a router that does not know it is closed."""
        accepted = self._accepted(place / "closed.db")
        tick(1, 3)
        waited, missing = self._forked(place / "forked.db")
        tick(2, 3)
        with mock.patch.object(Engine, "require_open"), quiet():
            wrong = self._accepted(place / "control.db")
        measured = {
            "calls": len(CALLS),
            "not refused": accepted,
            "forks": self.forks,
            "children that waited": waited,
            "lost in the parent": missing,
        }
        return Finding(measured, not (accepted or waited or missing), {"not refused": wrong}, wrong > 0)

    def _accepted(self, path: Path) -> int:
        router = a_router(url(path), ids=random_key)
        decision = router.route(a_vector(1)).wait(PATIENCE)
        router.close()
        return sum(not _is_refused(call, router, decision.id) for call in CALLS.values())

    def _forked(self, path: Path) -> tuple[int, int]:
        waited, ids = 0, []
        with a_router(url(path), ids=random_key) as router:
            for number in range(self.forks):
                decision = router.route(a_vector(number))
                receipt = router.feedback(decision.id, quality=0.5)
                ids.append(decision.id)
                # A receipt that is stored already holds in the child, too.
                child = os.fork()
                if not child:
                    told = all(_is_told(each.wait) for each in (decision, receipt))
                    os._exit(0 if told else 1)
                waited += os.waitpid(child, 0)[1] != 0
                receipt.wait(PATIENCE)
        with a_router(url(path), ids=random_key) as router:
            missing = sum(not router.why(each).feedback for each in ids)
        return waited, missing


def _is_refused(call: Callable[[Router, str], object], router: Router, decision_id: str) -> bool:
    try:
        call(router, decision_id)
    except RouterClosedError:
        return True
    except Exception:  # noqa: BLE001  (another error than the right one)
        return False
    return False


def _is_told(wait: Callable[[float], object]) -> bool:
    try:
        wait(PATIENCE)
    except StoreUnavailableError as error:
        return error.code == "store.forked"
    except TimeoutError:
        return False
    return True
