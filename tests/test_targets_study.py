"""Checks the measures of the study of targets by hand, and runs it on small data."""

from functools import partial

import numpy as np
import pytest

from banditroute import Objective
from banditroute.controllers import Controller, Latency, Shares
from banditroute.evaluation import Workload
from simulations.targets.measures import best_mixture, beyond
from simulations.targets.restarts import everything
from simulations.targets.world import live

LATENCY = Objective("latency_s", goal="min", bounds=(0, 10))


def test_excess_of_a_share() -> None:
    broken = np.zeros(2000)
    broken[:150] = 1.0
    broken[1000:1200] = 1.0
    after, worst, later = beyond(broken, 0.1)
    assert after == pytest.approx(5.0)
    assert worst == pytest.approx(100 * (350 / 1200 - 0.1))
    assert later == pytest.approx(10.0)


def test_the_best_mixture_by_hand() -> None:
    """The good arm always violates the constraint; a third of the traffic may get it."""
    quality = np.array([[1.0, 0.4], [0.8, 0.4]])
    used = np.array([[1.0, 0.0], [1.0, 0.0]])
    assert best_mixture(quality, used, 1 / 3) == pytest.approx(0.9 / 3 + 0.4 * 2 / 3)


def a_workload() -> Workload:
    rng = np.random.default_rng(2)
    outcomes = {"quality": rng.random((150, 3)), "latency_s": rng.random((150, 3)) * 4}
    return Workload(("a", "b", "c"), rng.normal(size=(150, 2)).clip(-3, 3), outcomes)


def controllers() -> list[Controller]:
    return [Shares(min={"c": 0.4}), Latency(p=0.8, seconds=2.0)]


def test_a_run_that_is_stopped_is_the_same_run() -> None:
    run = partial(live, a_workload(), 3, controllers, [Objective("quality"), LATENCY], delay=5)
    whole, stopped, other = run(), run(restart_at=80), run(cohorts=["x"] * 150)
    assert whole.chosen.tolist() == stopped.chosen.tolist() == other.chosen.tolist()
    assert whole.probabilities.tobytes() == stopped.probabilities.tobytes()
    assert [c.state() for c in whole.controllers] == [c.state() for c in stopped.controllers]
    assert whole.digest == stopped.digest


def test_control_another_seed_is_another_run() -> None:
    one, other = (live(a_workload(), seed, controllers, [Objective("quality"), LATENCY]) for seed in (3, 4))
    assert one.chosen.tolist() != other.chosen.tolist()


def test_everything_composes() -> None:
    names = [controller.name for controller in everything()]
    assert len(names) == len(set(names)) == 5
