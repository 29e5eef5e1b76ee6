import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from banditroute.core.objectives import Objective, Objectives
from banditroute.evaluation import Workload, best_static_mixture
from banditroute.evaluation.metrics.baselines import frontier, mean_of_arms, oracle, oracle_arms, utilities

ARMS = st.lists(st.tuples(st.integers(0, 20), st.integers(1, 20)), min_size=1, max_size=7)


@given(ARMS, st.integers(1, 25))
@settings(deadline=None)
def test_mixture_solves_the_linear_programme(arms: list[tuple[int, int]], budget: int) -> None:
    quality, cost = np.array(arms, dtype=np.float64).T
    mixture = best_static_mixture(quality, cost, budget)
    solved = linprog(-quality, A_ub=[cost], b_ub=[budget], A_eq=[np.ones(len(arms))], b_eq=[1])
    assert (mixture is None) == (not solved.success)
    assume(mixture is not None)
    assert mixture is not None
    assert mixture.min() >= 0
    assert mixture.sum() == pytest.approx(1)
    assert np.count_nonzero(mixture) <= 2
    assert mixture @ cost <= budget * (1 + 1e-9)
    assert solved.fun is not None
    assert mixture @ quality == pytest.approx(-solved.fun)


def test_mixture_at_exactly_the_cheapest_cost_survives_rounding() -> None:
    quality, cost = np.array([0.2, 0.9]), np.array([0.1 + 0.2, 1.0])
    mixture = best_static_mixture(quality, cost, 0.3)
    assert mixture is not None
    np.testing.assert_array_equal(mixture, [1.0, 0.0])
    assert best_static_mixture(quality, cost, 0.29) is None


def test_arms_without_a_mean_are_left_out() -> None:
    quality, cost = np.array([0.5, np.nan, 0.9]), np.array([1.0, 2.0, np.nan])
    assert frontier(quality, cost) == [0]
    assert best_static_mixture(np.array([np.nan]), np.array([1.0]), 5.0) is None


def workload(quality: list[list[float]], cost: list[list[float]]) -> Workload:
    return Workload(
        arms=("a", "b"),
        features=np.zeros((len(quality), 1)),
        outcomes={"quality": np.array(quality), "cost_usd": np.array(cost)},
    )


OBJECTIVES = Objectives(
    [Objective("quality", bounds=(0, 2)), Objective("cost_usd", goal="min", bounds=(0.1, 0.5))]
)


def test_utility_is_linear_beyond_the_bounds() -> None:
    cells = workload([[1.0, 2.0]], [[0.2, 0.9]])
    found = utilities(cells, OBJECTIVES, {"quality": 3.0, "cost_usd": 0.4})
    np.testing.assert_allclose(found, [[3 * 0.5 - 0.4 * 0.25, 3 * 1.0 - 0.4 * 2.0]])
    assert cells.outcomes["cost_usd"][0, 1] == 0.9


def test_a_cell_that_was_not_recorded_has_no_utility_unless_its_weight_is_0() -> None:
    cells = workload([[1.0, 2.0]], [[np.nan, 0.1]])
    assert np.isnan(utilities(cells, OBJECTIVES, {"quality": 1.0, "cost_usd": 1.0})).tolist() == [[True, False]]
    assert not np.isnan(utilities(cells, OBJECTIVES, {"quality": 1.0})).any()


def test_oracle_takes_the_best_recorded_cell_and_the_cheaper_of_two() -> None:
    nan = np.nan
    cells = np.array([[0.3, 0.3], [nan, 0.1], [nan, nan], [0.9, 0.2]])
    cost = np.array([[2.0, 1.0], [1.0, 1.0], [1.0, 1.0], [9.0, 1.0]])
    np.testing.assert_array_equal(oracle(cells), [0.3, 0.1, nan, 0.9])
    assert oracle_arms(cells, cost)[:2] == [1, 1]
    assert oracle_arms(cells, cost)[3] == 0
    np.testing.assert_allclose(mean_of_arms(cells), [0.6, 0.2])
