"""A router after close(), and receipts and decisions that wait for stable storage."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from banditroute import Arm, Price, Router
from banditroute.errors import RouterClosedError, StoreUnavailableError
from banditroute.testing.world import a_router, a_vector, url

CALLS: dict[str, Callable[[Router, str], object]] = {
    "route": lambda router, _: router.route(a_vector(1)),
    "route_many": lambda router, _: router.route_many([a_vector(1)]),
    "feedback": lambda router, decision_id: router.feedback(decision_id, quality=0.5),
    "preferences": lambda router, _: setattr(router, "preferences", {"quality": 1.0}),
    "add_arm": lambda router, _: router.add_arm(Arm("new")),
    "set_price": lambda router, _: router.set_price("small", Price(input=1, output=1)),
    "drain_arm": lambda router, _: router.drain_arm("small"),
    "reactivate_arm": lambda router, _: router.reactivate_arm("small"),
    "retire_arm": lambda router, _: router.retire_arm("small"),
    "forget": lambda router, decision_id: router.forget(decisions=[decision_id]),
    "why": lambda router, decision_id: router.why(decision_id),
    "flush": lambda router, _: router.flush(),
    "sync": lambda router, _: router.sync(),
}


@pytest.mark.parametrize("store", [None, "sqlite"])
@pytest.mark.parametrize("name", list(CALLS))
def test_a_closed_router_refuses(name: str, store: str | None, tmp_path: Path) -> None:
    router = a_router(None if store is None else url(tmp_path / "r.db"))
    decision = router.route(a_vector(1))
    digest = router.digest()
    router.close()
    router.close()
    with pytest.raises(RouterClosedError, match="router 'world' is closed; open another one"):
        CALLS[name](router, decision.id)
    assert (router.health().lost, router.health().n_decisions, router.digest()) == (0, 1, digest)
    assert (set(router.arms), router.preferences["quality"]) == ({"small", "large", "plain"}, 1.0)


def test_a_decision_waits_for_stable_storage(tmp_path: Path) -> None:
    with a_router(url(tmp_path / "r.db")) as router:
        decision = router.route(a_vector(1))
        assert decision.wait(30) is decision
        with a_router(url(tmp_path / "r.db")) as other:
            assert other.why(decision.id).decision_id == decision.id


def test_in_a_forked_child_the_receipts_of_the_parent_fail_at_once(tmp_path: Path) -> None:
    with a_router(url(tmp_path / "r.db")) as router:
        stored = router.feedback(router.route(a_vector(1)).id, quality=0.1).wait(30)
        decision = router.route(a_vector(2))
        receipt = router.feedback(decision.id, quality=0.2)
        # The writer stores nothing while the engine's lock is held by the fork, so neither is stored yet.
        done = receipt.done
        child = os.fork()
        if child == 0:
            fails = 0
            for each in (decision, receipt):
                try:
                    each.wait(30)
                except StoreUnavailableError as error:
                    fails += error.code == "store.forked"
            stored.wait(0)
            os._exit(0 if done or fails == 2 else 1)
        assert os.waitpid(child, 0)[1] == 0
        receipt.wait(30)
