"""A replay without a store drives the engine alone; it chooses bit for bit as routers with a store do."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from banditroute.controllers import Budget, Controller, Drift, Onboarding
from banditroute.evaluation import Candidate, Comparison, Delay, Workload, replay
from banditroute.policies import EpsilonGreedy, LinTS, LinUCB, Policy, Uniform
from tests.evaluation.tables import PREFERENCES, small_workload

POLICIES: dict[str, Policy] = {
    "linucb": LinUCB(alpha=0.7, ridge=3.0),
    "lints": LinTS(alpha=0.7, ridge=3.0),
    "greedy": EpsilonGreedy(epsilon=0.2, ridge=3.0),
    "uniform": Uniform(),
}
DELAYS = {"quality": Delay(requests=7, missing=0.2), "response": Delay(seconds=3.5)}
CONTROLLERS: dict[str, Callable[[], Sequence[Controller]]] = {
    "budget": lambda: [Budget(usd_per_request=0.002)],
    "budget a day": lambda: [Budget(usd_per_day=150.0)],
    "drift": lambda: [Drift(grace=5), Onboarding(pulls=10, over=40)],
}


def both(tmp_path: Path, workload: Workload, policies: dict[str, Any], **settings: Any) -> list[Comparison]:
    """The replay on the engine, and on routers whose stores are SQLite files."""

    def store(policy: str, seed: int) -> str:
        return f"sqlite:///{tmp_path / f'{policy}-{seed}.db'}"

    common: dict[str, Any] = {"preferences": PREFERENCES, "seeds": [3, 8], **settings}
    return [replay(workload, policies, **common), replay(workload, policies, store=store, **common)]


def assert_equal(engine: Comparison, router: Comparison) -> None:
    assert np.array_equal(engine.chosen, router.chosen)
    assert engine.propensity.tobytes() == router.propensity.tobytes()


def with_holes(workload: Workload) -> Workload:
    """One in ten cells was not recorded."""
    rng = np.random.default_rng(5)
    outcomes = {
        name: np.where(rng.random(cells.shape) < 0.1, np.nan, cells) for name, cells in workload.outcomes.items()
    }
    return Workload(arms=workload.arms, features=workload.features, outcomes=outcomes)


@pytest.mark.parametrize("delays", [{}, DELAYS], ids=["at once", "late"])
def test_every_policy_chooses_the_same(tmp_path: Path, delays: dict[str, Delay]) -> None:
    assert_equal(*both(tmp_path, with_holes(small_workload(150)), dict(POLICIES), delays=delays))


@pytest.mark.parametrize("name", CONTROLLERS)
def test_controllers_see_the_same(tmp_path: Path, name: str) -> None:
    candidate = Candidate(LinUCB(ridge=3.0), controllers=CONTROLLERS[name])
    assert_equal(*both(tmp_path, small_workload(150), {"it": candidate}, delays=DELAYS))


def test_control_another_seed_chooses_otherwise() -> None:
    workload = small_workload(150)
    runs = [replay(workload, dict(POLICIES), preferences=PREFERENCES, seeds=[seed]) for seed in (3, 8)]
    assert not np.array_equal(runs[0].chosen, runs[1].chosen)
