"""Thompson's probabilities are those of the closed form, and of draws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr

from banditroute.policies.linear.lints import probability_of_best

DRAWS = 1_000_000


@given(
    gap=st.floats(-5, 5),
    first=st.floats(-6, 2),
    second=st.floats(-6, 2),
)
def test_two_arms_have_a_closed_form(gap: float, first: float, second: float) -> None:
    mean, deviation = np.array([0.3 + gap, 0.3]), np.array([10**first, 10**second])
    found = probability_of_best(mean, deviation, np.ones(2, dtype=bool))
    assert found[0] == pytest.approx(ndtr(gap / np.hypot(*deviation)), abs=3e-6)


@pytest.mark.parametrize("arms", [3, 11, 24])
@pytest.mark.parametrize("decades", [0, 1, 4])
def test_equals_a_million_draws(arms: int, decades: int) -> None:
    rng = np.random.default_rng(100 * arms + decades)
    mean, deviation = rng.normal(size=arms) * 0.3, 10.0 ** rng.uniform(-decades, 0, arms)
    eligible = np.arange(arms) != 1
    found = probability_of_best(mean, deviation, eligible)
    wins = np.zeros(arms)
    for _ in range(20):
        drawn = rng.standard_normal((DRAWS // 20, arms)) * deviation + mean
        drawn[:, 1] = -np.inf
        wins += np.bincount(drawn.argmax(axis=1), minlength=arms)
    # The expected count decides how far a count may stray; a few more for the rarest.
    allowed = 4 * np.sqrt(found * (1 - found) / DRAWS) + 4 / DRAWS
    assert (abs(wins / DRAWS - found) <= allowed).all()
    assert not (abs(wins / DRAWS - np.roll(found, 1)) <= allowed).all()


def test_known_arms_share_what_is_even() -> None:
    every = np.ones(3, dtype=bool)
    np.testing.assert_allclose(probability_of_best(np.array([0.5, 0.5, 0.1]), np.zeros(3), every), [0.5, 0.5, 0])
    mixed = probability_of_best(np.zeros(3), np.array([0, 1e6, 1e-300]), every)
    np.testing.assert_allclose(mixed, [0.25, 0.5, 0.25], atol=1e-6)
