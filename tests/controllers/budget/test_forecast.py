"""The forecast of costs: levels by arm, shapes shared."""

import numpy as np
import pytest

from banditroute.controllers.budget.forecast import RIDGE, Forecast, expected


def row(*x: float) -> np.ndarray:
    return (np.array([*x, 1.0]) * 2**15).astype(np.int32)


def test_levels_differ_by_factors_and_shapes_are_shared() -> None:
    rng = np.random.default_rng(2)
    forecast = Forecast()
    for _ in range(600):
        x = float(rng.uniform(-0.5, 0.5))
        forecast.learn("expensive", row(x), 10.0 * (1 + x) * rng.uniform(0.9, 1.1))
        forecast.learn("cheap", row(x), 0.02 * (1 + x) * rng.uniform(0.9, 1.1))
    X = np.array([[-0.4, 1.0], [0.4, 1.0]])
    learned = 1200 / 12 / (1200 / 12 + RIDGE)
    shapes = np.array([[1 - 0.4 * learned], [1 + 0.4 * learned]])
    found = expected([forecast], ["cheap", "expensive"], X, np.full((2, 1), np.nan), np.ones((2, 1)))[..., 0]
    assert found == pytest.approx(shapes * np.array([[0.02, 10.0]]), rel=0.05)


def test_one_linear_model_of_all_arms_could_not() -> None:
    """The control: with the mean of both arms, the cheap one is off by hundreds."""
    assert abs((10.0 + 0.02) / 2 - 0.02) > 100 * 0.02


def test_an_unannounced_change_of_price_is_adopted_after_a_few_costs() -> None:
    rng = np.random.default_rng(3)
    forecast = Forecast()
    for _ in range(400):
        forecast.learn("a", row(0.0), 1.0 * rng.uniform(0.5, 1.5))
    for _ in range(12):
        forecast.learn("a", row(0.0), 0.1 * rng.uniform(0.5, 1.5))
    level = forecast.level("a")
    assert level is not None
    assert 0.05 < level < 0.25


def usual_receipts(rng: np.random.Generator, count: int = 400) -> Forecast:
    forecast = Forecast()
    for _ in range(count):
        forecast.learn("a", row(0.0), 1.0 * rng.uniform(0.5, 1.5))
    return forecast


@pytest.mark.parametrize("size", [10.0, 100.0])
def test_one_receipt_of_many_times_the_usual_is_no_new_price(size: float) -> None:
    forecast = usual_receipts(np.random.default_rng(3))
    forecast.learn("a", row(0.0), size)
    assert forecast.level("a") == pytest.approx(1.0 + size / 200, rel=0.15)


def test_five_in_a_row_are() -> None:
    """The control: what was cut is no less a receipt."""
    forecast = usual_receipts(np.random.default_rng(3))
    for _ in range(5):
        forecast.learn("a", row(0.0), 10.0)
    level = forecast.level("a")
    assert level is not None
    assert level > 6.0


def test_a_cost_of_an_arm_that_was_free_is_adopted_at_once() -> None:
    forecast = Forecast()
    for _ in range(20):
        forecast.learn("a", row(0.0), 0.0)
    for _ in range(3):
        forecast.learn("a", row(0.0), 1.0)
    level = forecast.level("a")
    assert level is not None
    assert level > 0.3


def test_arms_without_a_cost_get_their_prior_or_the_mean_of_the_others() -> None:
    forecast = Forecast()
    forecast.learn("baseline_mean", row(0.0), 4.0)
    priors = np.array([[np.nan], [7.0], [np.nan]])
    found = expected(
        [forecast], ["baseline_mean", "declared", "new"], None, priors, np.array([[0.5], [0.5], [0.5]])
    )
    assert found[0, :, 0].tolist() == [2.0, 7.0, 4.5]
