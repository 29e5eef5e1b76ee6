"""A router whose widths are worked out on demand is the same router."""

import numpy as np
import pytest

from banditroute import Arm, LinUCB, Price, Router
from banditroute.core.arrays import BoolArray, FloatArray
from banditroute.learning.posterior import model, ridge
from banditroute.store import MemoryStore
from banditroute.testing import engine_of
from banditroute.testing.world import ARMS, a_router, a_vector
from tests.router.world import World, with_history

STEPS = 1_200
PRICE = Price(input=0.5, output=2.0)
CROWD = (*ARMS, *(Arm(f"arm {i}", price=PRICE, prior={"quality": 0.2 + 0.05 * i}) for i in range(9)))
POLICY = LinUCB(alpha=0.3, ridge=3.0)


def crowded(store: MemoryStore | None = None) -> Router:
    return a_router(store, arms=CROWD, policy=POLICY)


@pytest.fixture
def lazy(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(model, "REFRESH_EVERY", 200)
    monkeypatch.setattr(ridge, "_PACKED_FROM", 0)
    monkeypatch.setattr(ridge, "_LAZY_FROM", 0)
    return monkeypatch


def widths(router: Router, world: World) -> FloatArray:
    """Of all decisions that knew all arms from the start; shape (decisions, arms, objectives)."""
    found = [router.why(identifier).decision for identifier in world.ids]
    return np.array([record.width[: len(CROWD)] for record in found])


def test_lazy_widths_give_the_same_choices(lazy: pytest.MonkeyPatch) -> None:
    router = crowded()
    world = with_history(router, STEPS)
    lazy.setattr(ridge, "_LAZY_FROM", 10**9)
    knowing = crowded()
    whole = with_history(knowing, STEPS)
    assert [(arm, share) for arm, share, *_ in world.chosen] == [(arm, share) for arm, share, *_ in whole.chosen]
    assert router.digest() == knowing.digest()
    assert router.health().faults == 0
    logged, exact = widths(router, world), widths(knowing, whole)
    assert (logged >= exact * (1 - 1e-9)).all()
    loose: BoolArray = np.any(logged > exact * (1 + 1e-9), axis=2)
    assert 0.2 < loose.mean() < 1
    names = [arm.name for arm in CROWD]
    for step, (arm, *_) in enumerate(whole.chosen):
        assert arm not in names or not loose[step, names.index(str(arm))], "the chosen arm's width is exact"


def test_a_cost_ceiling_asks_for_all_widths(lazy: pytest.MonkeyPatch) -> None:
    router = crowded()
    with_history(router, 100)
    prediction = engine_of(router).state.predict(
        engine_of(router).space.row(a_vector(1)), engine_of(router).now_us()
    )
    decision = router.route(a_vector(1), max_cost_usd=1.0)
    assert decision.record.width.tobytes() == prediction.width.tobytes()


@pytest.mark.parametrize("moment", [1, 59, 61, 149, 260])
def test_it_goes_on_bit_for_bit(lazy: pytest.MonkeyPatch, moment: int) -> None:
    whole = with_history(crowded(), 300)
    store = MemoryStore()
    first = crowded(store)
    world = with_history(first, moment)
    first.close()
    router = world.reopen(store, arms=CROWD, policy=POLICY)
    for number in range(moment, 300):
        world.step(router, number)
    assert world.chosen == whole.chosen
