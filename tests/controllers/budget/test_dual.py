"""The dual: closed forms, and a linear programme that finds the same optimum."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from banditroute.controllers.budget.dual import Prices, solve, spending
from banditroute.core.arrays import FloatArray


def optimum(utility: FloatArray, costs: FloatArray, allowance: FloatArray) -> float:
    """The best mean utility of any randomised choice that keeps the allowance."""
    contexts, arms, resources = costs.shape
    found = linprog(
        -utility.ravel() / contexts,
        A_ub=costs.reshape(contexts * arms, resources).T / contexts,
        b_ub=allowance,
        A_eq=np.kron(np.eye(contexts), np.ones(arms)),
        b_eq=np.ones(contexts),
    )
    assert found.fun is not None
    return -float(found.fun)


def reached(utility: FloatArray, costs: FloatArray, prices: Prices) -> float:
    """Mean utility at the mixture of the two prices."""
    rows = np.arange(len(utility))
    low, high = ((utility - costs @ price).argmax(axis=1) for price in (prices.low, prices.high))
    return float(prices.share * utility[rows, low].mean() + (1 - prices.share) * utility[rows, high].mean())


def problem(seed: int, contexts: int, resources: int) -> tuple[FloatArray, FloatArray]:
    rng = np.random.default_rng(seed)
    level = np.array([0.1, 1.0, 7.0])[:, np.newaxis]
    costs = level * rng.uniform(0.5, 2.0, size=(contexts, 3, resources))
    return rng.uniform(0, 1, size=(contexts, 3)) + np.array([0.0, 0.3, 0.4]), costs


def test_one_context_mixes_the_two_arms_around_the_allowance() -> None:
    utility, costs = np.array([[0.2, 0.8, 0.9]]), np.array([[[1.0], [3.0], [11.0]]])
    prices = solve(utility, costs, np.array([2.5]))
    assert prices.mean[0] == pytest.approx((0.8 - 0.2) / 2, rel=1e-3)
    assert prices.share == pytest.approx(0.75)
    assert prices.slack[0] == pytest.approx(0.0, abs=1e-12)


def test_what_is_no_constraint_has_no_price() -> None:
    utility, costs = problem(0, 50, 1)
    prices = solve(utility, costs, np.array([100.0]))
    assert prices.mean[0] == 0.0
    assert prices.slack[0] == pytest.approx(100.0 - spending(utility, costs, np.zeros(1))[0])


def test_below_the_cheapest_everything_is_the_cheapest() -> None:
    utility, costs = problem(1, 50, 1)
    prices = solve(utility, costs, np.array([-1.0]))
    assert spending(utility, costs, prices.high)[0] == pytest.approx(costs.min(axis=1).mean())
    assert prices.slack[0] < 0


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), part=st.floats(0.02, 0.98))
def test_it_reaches_the_optimum_and_keeps_the_allowance(seed: int, part: float) -> None:
    utility, costs = problem(seed, 60, 1)
    least, most = costs.min(axis=1).mean(axis=0), spending(utility, costs, np.zeros(1))
    allowance = least + part * (most - least)
    prices = solve(utility, costs, allowance)
    assert prices.slack[0] == pytest.approx(0.0, abs=1e-6)
    assert reached(utility, costs, prices) == pytest.approx(optimum(utility, costs, allowance), abs=2e-3)


@pytest.mark.parametrize("seed", range(6))
def test_several_resources_keep_all_their_allowances(seed: int) -> None:
    utility, costs = problem(seed, 200, 2)
    allowance = np.array([0.9, 1.1])
    prices = solve(utility, costs, allowance)
    assert (prices.slack >= -0.02).all()
    best = optimum(utility, costs, allowance)
    assert best - 0.02 <= reached(utility, costs, prices) <= best + 0.02


def test_a_price_that_is_ignored_overspends() -> None:
    utility, costs = problem(3, 60, 1)
    allowance = np.array([0.8])
    assert spending(utility, costs, np.zeros(1))[0] > 2 * allowance[0]
