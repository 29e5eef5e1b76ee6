"""``would_choose``: the choice of ``route``, and no trace of it."""

from collections.abc import Callable
from itertools import count

import pytest

from banditroute import Arm, EpsilonGreedy, LinTS, LinUCB, Policy, Price, Router
from banditroute.controllers import AdapterLoad, Budget, Controller, Drift, Onboarding, Session
from banditroute.errors import InvalidArgumentError, InvalidContextError, NoEligibleArmError, UnknownArmError
from banditroute.learning.posterior import model
from banditroute.testing import engine_of
from banditroute.testing.world import Clock, a_router, a_vector, bodies
from tests.router.test_controllers import a_cache
from tests.router.world import World

STEPS = 260

CONTROLLERS: dict[str, Callable[[], list[Controller]]] = {
    "no controller": list,
    "a cache": lambda: [a_cache()],
    "a budget, sessions, drift and onboarding": lambda: [
        Onboarding(pulls=20),
        Session(AdapterLoad({"small": 0.5}, utility_per_second=0.2)),
        Budget(usd_per_request=0.01),
        Drift(),
    ],
}


@pytest.fixture(autouse=True)
def _many_refreshes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "REFRESH_EVERY", 96)
    monkeypatch.setattr(model, "EPOCH_REQUESTS", 16)


@pytest.mark.parametrize("controllers", CONTROLLERS)
@pytest.mark.parametrize("policy", [LinUCB(), LinTS(), EpsilonGreedy()], ids=repr)
def test_a_preview_between_all_steps_changes_no_bit(policy: Policy, controllers: str) -> None:
    def life(*, previews: bool) -> tuple[list[tuple[object, ...]], str]:
        clock = Clock()
        router = a_router(policy=policy, controllers=CONTROLLERS[controllers](), clock=clock, ids=bodies())
        world = World(clock)
        for number in range(STEPS):
            world.step(router, number)
            if previews:
                router.would_choose(a_vector(1_000 + number), session=f"of {number % 7}")
        return world.chosen, router.digest()

    assert life(previews=True) == life(previews=False)


def test_it_is_what_route_chooses_for_the_same_key() -> None:
    router = a_router()
    world = World()
    for number in range(120):
        world.step(router, number)
        if number == 60:
            # This arm is not in the model before the next decision.
            router.add_arm(Arm("unseen", price=Price(input=1, output=2), prior={"quality": 0.9}))
        x, key = a_vector(500 + number), f"request {number}"
        preview = router.would_choose(x, key=key, preferences={"quality": 1.0})
        decision = router.route(x, key=key, preferences={"quality": 1.0})
        one, other = preview.decision, decision.record
        assert (one.arm, one.arms, one.cause, one.n_feedback) == (
            other.arm,
            other.arms,
            other.cause,
            other.n_feedback,
        )
        for name in ("probabilities", "mean", "width", "row"):
            assert getattr(one, name).tobytes() == getattr(other, name).tobytes(), name


def test_it_logs_nothing_and_issues_no_id() -> None:
    numbers = count(1)
    issued = []

    def ids() -> bytes:
        issued.append(next(numbers))
        return issued[-1].to_bytes(16, "big")

    router = Router("svc", arms=[Arm("a"), Arm("b")], features=2, ids=ids)
    for _ in range(5):
        router.would_choose([0.5, -0.5])
    router.flush()
    assert not issued
    assert router.health()["n_decisions"] == 0
    assert not list(engine_of(router).state.plays)
    router.route([0.5, -0.5])
    assert issued == [1]


def test_its_text_says_that_nothing_was_chosen() -> None:
    router = Router("svc", arms=[Arm("a"), Arm("b")], features=1)
    preview = router.would_choose([0.5], allowed=["b"])
    assert str(preview).startswith("b would be chosen with probability 1.000 (only)")
    assert "feedback yet" not in str(preview)
    assert preview.to_dict()["decision_id"] == ""
    assert preview.decision.excluded == {"a": "not allowed"}


def test_it_refuses_what_route_refuses() -> None:
    router = Router("svc", arms=[Arm("a"), Arm("b")])
    with pytest.raises(InvalidArgumentError, match="number of features is not known yet; give Router features="):
        router.would_choose([0.5])
    router.route([0.5])
    with pytest.raises(InvalidContextError):
        router.would_choose([0.5, 0.5])
    with pytest.raises(UnknownArmError):
        router.would_choose([0.5], allowed=["c"])
    router.drain_arm("a")
    with pytest.raises(NoEligibleArmError):
        router.would_choose([0.5], allowed=["a"])
