"""A budget around a real router, in a small world of three models."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from banditroute import Arm, Decision, Exploration, LinUCB, Objective, Price, Router
from banditroute.controllers import Budget, Controller
from banditroute.core.arrays import FloatArray
from banditroute.errors import InvalidArgumentError

ARMS = ("small", "middle", "large")
USD = np.array([1e-5, 5e-4, 2e-2])
START_S = 1_700_000_000.0


@dataclass
class World:
    """Hard requests need a better model; long ones cost more. Its clock and ids are its own."""

    seed: int = 0
    now: float = START_S
    issued: int = 0
    usd: FloatArray = field(default_factory=lambda: USD.copy())

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)

    def __call__(self) -> float:
        return self.now

    def body(self) -> bytes:
        self.issued += 1
        return self.issued.to_bytes(16, "big")

    def requests(self, count: int) -> Iterator[tuple[FloatArray, FloatArray, FloatArray]]:
        """Features, and quality and dollars of each arm."""
        for _ in range(count):
            hard, long = self.rng.uniform(-1, 1, size=2)
            quality = np.clip(np.array([0.6 - 0.3 * hard, 0.85 - 0.1 * hard, 0.93]), 0, 1)
            noise = self.rng.uniform(0.7, 1.3, size=3)
            self.now += 1.0
            yield np.array([hard, long]), quality, self.usd * (1 + 0.5 * long) * noise

    def router(self, controllers: Sequence[Controller], **changes: Any) -> Router:
        settings: dict[str, Any] = {
            "arms": [
                Arm(name, prior={"cost_usd": usd}, price=Price(input=100 * usd, output=400 * usd))
                for name, usd in zip(ARMS, USD, strict=True)
            ],
            "objectives": [Objective("quality"), Objective("cost_usd", goal="min", bounds=(0, 0.05))],
            "policy": LinUCB(alpha=0.5, ridge=4.0),
            "features": 2,
            "clock": self,
            "ids": self.body,
        }
        return Router("small world", controllers=controllers, **(settings | changes))


def serve(router: Router, world: World, count: int) -> tuple[list[Decision], float]:
    """Route and report; the decisions and the mean dollars."""
    decisions, paid = [], 0.0
    for x, quality, usd in world.requests(count):
        decision = router.route(x)
        place = ARMS.index(decision.arm)
        router.feedback(decision.id, quality=float(quality[place]), cost_usd=float(usd[place]))
        decisions.append(decision)
        paid += float(usd[place])
    assert router.health().faults == 0
    return decisions, paid / count


@pytest.mark.parametrize("usd", [5e-5, 3e-4, 2e-3])
def test_the_mean_cost_is_what_may_be_spent(usd: float) -> None:
    world = World()
    budget = Budget(usd_per_request=usd, optimism=0.5)
    _, mean = serve(world.router([budget]), world, 1500)
    assert 0.85 * usd <= mean <= 1.05 * usd
    assert budget.spent["cost_usd"] == pytest.approx(1500 * mean)
    assert budget.shadow_price["cost_usd"] > 0


def test_without_a_budget_the_best_arm_is_taken_at_any_price() -> None:
    world = World()
    _, mean = serve(world.router([]), world, 300)
    assert mean > 5e-3


def test_a_uniform_floor_alone_would_break_a_tight_budget_and_does_not() -> None:
    usd, floor = 3e-5, 0.05
    assert floor * USD.mean() > 10 * usd
    world = World()
    policy = LinUCB(alpha=0.5, ridge=4.0, exploration=Exploration(floor=floor))
    decisions, mean = serve(world.router([Budget(usd_per_request=usd, optimism=0.5)], policy=policy), world, 1500)
    assert mean <= 1.15 * usd
    assert min(decision.probabilities["large"] for decision in decisions) > 0


def test_a_total_is_kept_to_its_horizon() -> None:
    world = World()
    budget = Budget(total=0.3, horizon=1000, optimism=0.5)
    _, mean = serve(world.router([budget]), world, 1000)
    assert 0.27 <= 1000 * mean <= 0.306


def test_a_day_is_paid_by_the_clock() -> None:
    world = World()
    per_second = 3e-4
    _, mean = serve(world.router([Budget(usd_per_day=per_second * 86_400, optimism=0.5)]), world, 1000)
    assert 0.85 * per_second <= mean <= 1.05 * per_second


def test_decisions_whose_bill_has_not_come_count_with_what_is_expected() -> None:
    world = World()
    budget = Budget(usd_per_request=3e-4, optimism=0.5)
    router = world.router([budget])
    serve(router, world, 300)
    known = budget.spent["cost_usd"]
    late = [(router.route(x), usd) for x, _, usd in world.requests(100)]
    expected = budget.spent["cost_usd"] - known
    assert 0.5 * 100 * 3e-4 <= expected <= 2 * 100 * 3e-4
    bills = [float(usd[ARMS.index(decision.arm)]) for decision, usd in late]
    for (decision, _), bill in zip(late, bills, strict=True):
        router.feedback(decision.id, cost_usd=bill)
    assert budget.spent["cost_usd"] == pytest.approx(known + sum(bills))


def test_history_teaches_and_is_not_charged() -> None:
    world = World()
    budget = Budget(usd_per_request=5e-5, since=datetime.fromtimestamp(START_S + 90.5, UTC), optimism=0.5)
    router = world.router([budget])
    for x, quality, usd in world.requests(90):
        for place, arm in enumerate(ARMS):
            decision = router.route(x, allowed=[arm])
            router.feedback(decision.id, quality=float(quality[place]), cost_usd=float(usd[place]))
    assert budget.spent["cost_usd"] == 0.0
    _, mean = serve(router, world, 1000)
    assert mean <= 1.05 * 5e-5


def test_a_price_that_is_announced_acts_at_once() -> None:
    world = World()
    budget = Budget(usd_per_request=3e-4, optimism=0.5)
    router = world.router([budget])
    before, _ = serve(router, world, 600)
    router.set_price("middle", Price(input=100 * USD[1] / 10, output=400 * USD[1] / 10))
    world.usd[1] /= 10
    after, _ = serve(router, world, 30)
    share = [np.mean([d.arm == "middle" for d in part]) for part in (before[-200:], after)]
    assert share[1] > share[0] + 0.2


def test_a_restart_changes_nothing_bit_for_bit(tmp_path: Path) -> None:
    runs = []
    for restart in (None, 137):
        world = World(seed=5)
        url = f"sqlite:///{tmp_path / f'{restart}.db'}"
        opened = {"secret": b"s" * 32, "store": url}
        router = world.router([Budget(usd_per_request=2e-4)], **opened)
        before, _ = serve(router, world, restart or 137)
        if restart:
            router.close()
            router = world.router([Budget(usd_per_request=2e-4)], **opened)
        after, _ = serve(router, world, 120)
        runs.append([(d.arm, d.propensity, tuple(d.probabilities.values())) for d in [*before, *after]])
        router.close()
    assert runs[0] == runs[1]


def test_why_says_the_shadow_price() -> None:
    world = World()
    router = world.router([Budget(usd_per_request=1e-4)])
    decisions, _ = serve(router, world, 60)
    assert "budget: shadow price cost usd" in str(router.why(decisions[-1].id))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "needs one of"),
        ({"usd_per_request": 1.0, "usd_per_day": 2.0}, "needs one of"),
        ({"usd_per_request": -1.0}, "usd_per_request = -1.0"),
        ({"total": 1.0}, "needs a horizon"),
        ({"usd_per_day": 1.0, "horizon": 5}, "horizon does not go with"),
        ({"usd_per_request": 1.0, "per_request": {"cost_usd": 1.0}}, "already"),
        ({"per_request": {"joules": 0.0}}, "joules"),
        ({"usd_per_request": 1.0, "every": 0}, "every = 0"),
        ({"usd_per_request": 1.0, "window": 1.5}, "window = 1.5"),
        ({"usd_per_request": 1.0, "optimism": -1}, "optimism"),
        ({"usd_per_request": 1.0, "exploration": 0}, "exploration"),
        ({"usd_per_request": 1.0, "since": 5}, "since"),
    ],
)
def test_settings_that_break_their_rule(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        Budget(**settings)
