"""Tests the replay of policies with controllers."""

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import numpy as np
import pytest

from banditroute.controllers import Budget, Controller
from banditroute.evaluation import Candidate, Comparison, Workload, replay
from banditroute.policies import LinUCB


def workload() -> Workload:
    """Build a workload of two arms; the better one costs a hundred times as much."""
    rng = np.random.default_rng(7)
    outcomes = {
        "quality": rng.uniform(0, 0.2, size=(400, 2)) + np.array([0.3, 0.7]),
        "cost_usd": rng.uniform(0.8, 1.2, size=(400, 2)) * np.array([1e-4, 1e-2]),
    }
    return Workload(("cheap", "expensive"), rng.uniform(-1, 1, size=(400, 2)), outcomes)


def budgets(usd: float) -> list[Controller]:
    return [Budget(usd_per_request=usd)]


def compared(**changes: object) -> Comparison:
    candidates = {"free": LinUCB(), "2e-3": Candidate(LinUCB(), partial(budgets, 2e-3))}
    preferences = {"quality": 1.0, "cost_usd": 0.0}
    return replay(workload(), candidates, preferences=preferences, seeds=3, **changes)  # type: ignore[arg-type]


def test_controllers_constrain_a_replay() -> None:
    comparison = compared()
    usd = {name: np.mean(comparison.values("cost_usd", name)) for name in ("free", "2e-3")}
    assert usd["free"] > 8e-3
    assert usd["2e-3"] == pytest.approx(2e-3, rel=0.1)


def test_every_run_has_fresh_controllers() -> None:
    """A seed gives the same run alone or after others, in this process or in another."""
    whole = compared()
    alone = replay(
        workload(),
        {"2e-3": Candidate(LinUCB(), partial(budgets, 2e-3))},
        preferences={"quality": 1.0, "cost_usd": 0.0},
        seeds=[2],
    )
    assert whole.chosen[1, 2].tobytes() == alone.chosen[0, 0].tobytes()
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        assert compared(executor=executor).chosen.tobytes() == whole.chosen.tobytes()


def test_a_plain_policy_is_a_candidate_without_controllers() -> None:
    policy = LinUCB(alpha=0.3)
    assert Candidate.of(policy) == Candidate(policy)
    assert Candidate(policy).controllers() == ()
