"""The study of the cache controllers, in small: that it runs, and that its measures mean what they say."""

import numpy as np
import pytest

from simulations.polar.run import recovery, slope
from simulations.polar.study import CONTROLLERS, Task, at_checkpoints, run, scene


@pytest.mark.parametrize("name", CONTROLLERS)
def test_every_controller_plays(name: str) -> None:
    episode = run(Task(name, 0, 300, adapters=6, capacity=2))
    assert episode.net.shape == episode.oracle.shape == (300,)
    assert np.isfinite(episode.net).all()
    assert episode.regret[-1] == pytest.approx((episode.oracle - episode.net).sum())


@pytest.mark.parametrize("kind", ["stationary", "shift", "blocks"])
def test_the_oracle_is_no_worse_than_any_fixed_set_it_could_have_chosen(kind: str) -> None:
    world, requests = scene(Task("static", 1, 240, kind, adapters=6, capacity=2))
    prior = np.array([name in world.best_by_prior() for name in world.names])
    assert requests.oracle.mean() >= world.served(requests.X, prior).mean() - 0.02
    assert requests.worth.shape == (240, 6)


def test_the_same_task_gives_the_same_run() -> None:
    first, second = (at_checkpoints(Task("POLAR+", 2, 1_000, adapters=6, capacity=2)) for _ in range(2))
    assert first[0].tobytes() == second[0].tobytes()
    assert first[2:] == second[2:]


def test_slope_and_recovery() -> None:
    T = np.array([10.0, 100.0, 1_000.0])
    assert slope(T, 3 * np.sqrt(T)) == pytest.approx(0.5)
    oracle = np.ones(2_000)
    net = np.where(np.arange(2_000) < 1_200, 0.5, 1.0)
    assert recovery(net, oracle, start=1_000) == pytest.approx(700, abs=100)
    assert recovery(np.zeros(2_000), oracle, start=1_000) == np.inf
