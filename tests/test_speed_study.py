"""The speed study times LinUCB: its choices equal those of the closed form, and a wrong formula is detected."""

import numpy as np
import pytest

from banditroute.core.arrays import FloatArray
from simulations.speed.imports import Imports
from simulations.speed.learner import agreement
from simulations.speed.ours import Ours
from simulations.speed.stream import Stream, make_stream
from simulations.speed.timing import interleave

RIDGE = 1.0
STEPS = 60


@pytest.fixture
def stream() -> Stream:
    preferences = {"quality": 1.0, "cost_usd": 0.4, "latency_s": 0.2}
    return make_stream(arms=5, dimension=8, pulls_per_arm=12, steps=STEPS, preferences=preferences, seed=3)


class WithoutBonus(Ours):
    """Negative control: it reports a bonus of 0, but chooses with a bonus."""

    def bonus(self, leverage: FloatArray) -> FloatArray:
        return np.zeros_like(leverage)


def _agreement(learner: Ours, stream: Stream) -> float:
    learner.warm(stream)
    return agreement(learner, stream, ridge=RIDGE, steps=STEPS)


def test_choices_are_those_of_the_closed_form(stream: Stream) -> None:
    assert _agreement(Ours(stream, 2.0), stream) == 1.0


def test_control_a_wrong_formula_is_detected(stream: Stream) -> None:
    assert _agreement(WithoutBonus(stream, 2.0), stream) < 0.95


def test_outcomes_and_contexts_lie_on_the_grid(stream: Stream) -> None:
    assert np.array_equal(stream.X * 2**15, np.rint(stream.X * 2**15))
    assert np.array_equal(stream.Y * 2**16, np.rint(stream.Y * 2**16))


def test_the_scalarised_reward_is_the_weighted_sum(stream: Stream) -> None:
    quality, cost, latency = np.moveaxis(stream.Y, -1, 0)
    assert stream.utility(stream.Y) == pytest.approx(quality - 0.4 * cost - 0.2 * latency)


def test_a_learner_without_time_left_gets_one_block(stream: Stream) -> None:
    learner = Ours(stream, 0.3)
    learner.warm(stream)
    timings = interleave({"ours": learner}, stream, first=0, blocks=4, steps=10, seconds=0.0)
    assert timings["ours"].requests == 10


def test_the_ratio_of_imports() -> None:
    found = Imports(bare_ms=10.0, numpy_ms=110.0, banditroute_ms=160.0, loaded=())
    assert found.ratio == pytest.approx(160 / 110)
    assert found.ratio_over_bare == pytest.approx(1.5)
