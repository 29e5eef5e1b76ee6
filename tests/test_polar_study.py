"""Runs the study of the cache controllers on small data, and checks its measures."""

import numpy as np
import pytest

from banditroute import Arm, Objective, Router
from banditroute.controllers import PricedCache
from simulations.polar.belady import belady
from simulations.polar.episode import play
from simulations.polar.growth import slope
from simulations.polar.run import recovery
from simulations.polar.study import CONTROLLERS, Task, at_checkpoints, controller, policy, run, scene


@pytest.mark.parametrize("name", CONTROLLERS)
def test_every_controller_plays(name: str) -> None:
    episode = run(Task(name, 0, 300, adapters=6, capacity=2))
    assert episode.net.shape == episode.oracle.shape == (300,)
    assert np.isfinite(episode.net).all()
    assert episode.regret[-1] == pytest.approx((episode.oracle - episode.net).sum())


@pytest.mark.parametrize("kind", ["stationary", "shift", "sorted", "late"])
def test_the_oracle_is_no_worse_than_any_fixed_set_it_could_have_chosen(kind: str) -> None:
    world, requests = scene(Task("static", 1, 240, kind, adapters=6, capacity=2))
    prior = np.array([name in world.best_by_prior() for name in world.names])
    assert requests.oracle.mean() >= world.served(requests.X, prior).mean() - 0.02
    assert requests.worth.shape == (240, 6)


def test_the_same_task_gives_the_same_run() -> None:
    first, second = (at_checkpoints(Task("POLAR+", 2, 1_000, adapters=6, capacity=2)) for _ in range(2))
    assert first.regret.tobytes() == second.regret.tobytes()
    assert first[1:] == second[1:]


@pytest.mark.parametrize("name", ["POLAR+", "LFU", "cache-blind"])
def test_the_study_plays_as_a_router_does(name: str) -> None:
    """The utilities are equal, choice by choice, over several epochs."""
    world, requests = scene(Task(name, 3, 400, adapters=6, capacity=2))

    def cache() -> PricedCache:
        return controller(name, world.adapters, requests, 2, world.best_by_prior(), 3)

    played = play(requests, cache(), policy(), 3).net
    bodies, mine = iter(range(400)), cache()
    router = Router(
        "polar",
        arms=[Arm(each) for each in world.names],
        objectives=[Objective("utility")],
        policy=policy(),
        controllers=[mine],
        seed=3,
        ids=lambda: next(bodies).to_bytes(16, "big"),
    )
    outcomes = requests.outcomes(3)
    for t, x in enumerate(requests.X):
        before = mine.resident
        decision = router.route(x)
        arm = world.names.index(decision.arm)
        router.feedback(decision.id, utility=float(outcomes[t, arm]))
        brought = {decision.arm, *mine.resident} - set(before)
        loads = sum(world.miss[world.names.index(each)] for each in brought)
        assert played[t] == pytest.approx(requests.worth[t, arm] - loads, abs=1e-12)


def test_belady_by_hand() -> None:
    """Arm a is held; b is requested before a is requested again, so b replaces it; c and a are not kept."""
    demands = [0, 1, 1, 2, 0, 1]
    worth = 0.5 * np.eye(3)[demands]
    net = belady(worth, np.array([0.1, 0.2, 0.3]), [0], 1)
    np.testing.assert_allclose(net, [0.5, 0.3, 0.5, 0.2, 0.4, 0.5])
    assert belady(worth, np.array([0.1, 0.2, 0.3]), [0], 3).tolist() == pytest.approx(
        [0.5, 0.3, 0.5, 0.2, 0.5, 0.5]
    )


def test_slope_and_recovery() -> None:
    T = np.array([10.0, 100.0, 1_000.0])
    assert slope(T, 3 * np.sqrt(T)) == pytest.approx(0.5)
    oracle = np.ones(2_000)
    net = np.where(np.arange(2_000) < 1_200, 0.5, 1.0)
    assert recovery(net, oracle, start=1_000) == pytest.approx(700, abs=100)
    assert recovery(np.zeros(2_000), oracle, start=1_000) == np.inf
