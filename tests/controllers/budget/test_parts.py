"""Allowance, account, forecast and the cut of exploration."""

import numpy as np
import pytest

from banditroute.controllers.budget.account import OPEN_CHARGES, Account, Charge
from banditroute.controllers.budget.allowance import SAVED_SHARE, Allowance
from banditroute.controllers.budget.exploration import affordable
from banditroute.controllers.budget.forecast import RIDGE, Forecast, expected
from banditroute.errors import InvalidArgumentError


def test_a_debt_is_made_good_over_the_patience() -> None:
    allowance = Allowance.of("usd_per_request", 2.0)
    assert allowance.now(10, 0.0, -50.0, 25) == pytest.approx(0.0)
    assert allowance.now(10, 0.0, 0.0, 25) == 2.0


def test_a_horizon_spreads_what_is_left_over_the_requests_that_are_left() -> None:
    allowance = Allowance.whole("total", 100.0, horizon=50)
    account = Account([allowance], patience=7)
    for number in range(30):
        account.charge(bytes([number]), Charge("a", 1.0, (1.0,)), elapsed_s=0.0)
    assert account.allowances(0.0)[0] == pytest.approx((100 - 30) / 20)
    assert allowance.most_saved(7) == np.inf


def test_income_stops_at_the_horizon() -> None:
    allowance = Allowance.whole("total", 10.0, horizon=5)
    assert [allowance.income(n, 1.0) for n in (1, 5, 6)] == [2.0, 2.0, 0.0]


def test_a_day_pays_by_the_clock() -> None:
    allowance = Allowance.daily("usd_per_day", 86.4)
    assert allowance.income(3, 500.0) == pytest.approx(0.5)
    assert allowance.most_saved(10) == pytest.approx(86.4)


@pytest.mark.parametrize("amount", [0, -1, float("nan"), float("inf"), "2", True])
def test_amounts_are_finite_and_above_0(amount: float) -> None:
    with pytest.raises(InvalidArgumentError, match="usd_per_request"):
        Allowance.of("usd_per_request", amount)


@pytest.mark.parametrize("horizon", [None, 0, 2.5, True])
def test_a_total_needs_a_horizon(horizon: int) -> None:
    with pytest.raises(InvalidArgumentError, match="horizon"):
        Allowance.whole("total", 1.0, horizon=horizon)


def test_a_bill_replaces_what_was_expected_and_an_amended_bill_the_first() -> None:
    account = Account([Allowance.of("usd_per_request", 1.0)], patience=100)
    account.charge(b"x", Charge("a", 1.0, (5.0,)), elapsed_s=0.0)
    assert (account.balance, account.spent) == ([-4.0], [5.0])
    account.bill(b"x", {0: 2.0})
    account.bill(b"x", {0: 3.0})
    assert (account.balance, account.spent) == ([-2.0], [3.0])


def test_what_is_saved_is_bounded() -> None:
    account = Account([Allowance.of("usd_per_request", 1.0)], patience=80)
    for number in range(300):
        account.charge(number.to_bytes(2, "big"), Charge("a", 1.0, (0.0,)), elapsed_s=0.0)
    assert account.balance == [SAVED_SHARE * 80]


def test_charges_are_forgotten_in_the_end() -> None:
    account = Account([Allowance.of("usd_per_request", 1.0)], patience=80)
    for number in range(OPEN_CHARGES + 1):
        account.charge(number.to_bytes(2, "big"), Charge("a", 1.0, (1.0,)), elapsed_s=0.0)
    assert account.find((0).to_bytes(2, "big")) is None
    assert account.find((1).to_bytes(2, "big")) is not None


def row(*x: float) -> np.ndarray:
    return (np.array([*x, 1.0]) * 2**15).astype(np.int32)


def test_levels_differ_by_factors_and_shapes_are_shared() -> None:
    rng = np.random.default_rng(2)
    forecast = Forecast()
    for _ in range(600):
        x = float(rng.uniform(-0.5, 0.5))
        forecast.learn("dear", row(x), 10.0 * (1 + x) * rng.uniform(0.9, 1.1))
        forecast.learn("cheap", row(x), 0.02 * (1 + x) * rng.uniform(0.9, 1.1))
    X = np.array([[-0.4, 1.0], [0.4, 1.0]])
    learned = 1200 / 12 / (1200 / 12 + RIDGE)
    shapes = np.array([[1 - 0.4 * learned], [1 + 0.4 * learned]])
    found = expected([forecast], ["cheap", "dear"], X, np.full((2, 1), np.nan), np.ones((2, 1)))[..., 0]
    assert found == pytest.approx(shapes * np.array([[0.02, 10.0]]), rel=0.05)


def test_one_linear_model_of_all_arms_could_not() -> None:
    """The control: with the mean of both arms, the cheap one is off by hundreds."""
    assert abs((10.0 + 0.02) / 2 - 0.02) > 100 * 0.02


def test_a_silent_change_of_price_is_believed_after_a_few_receipts() -> None:
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


def test_an_arm_that_was_free_is_believed_to_cost_something_at_once() -> None:
    forecast = Forecast()
    for _ in range(20):
        forecast.learn("a", row(0.0), 0.0)
    for _ in range(3):
        forecast.learn("a", row(0.0), 1.0)
    level = forecast.level("a")
    assert level is not None
    assert level > 0.3


def test_arms_without_a_bill_cost_what_is_believed_or_what_the_others_do() -> None:
    forecast = Forecast()
    forecast.learn("baseline_mean", row(0.0), 4.0)
    believed = np.array([[np.nan], [7.0], [np.nan]])
    found = expected(
        [forecast], ["baseline_mean", "declared", "new"], None, believed, np.array([[0.5], [0.5], [0.5]])
    )
    assert found[0, :, 0].tolist() == [2.0, 7.0, 4.5]


def test_exploration_is_cut_where_it_is_dear() -> None:
    chosen = np.array([0.01, 0.97, 0.01, 0.01])
    explored = np.array([0.0, 0.01, 0.01, 0.01])
    excess = np.array([[0.0], [0.1], [1.0], [90.0]])
    cut = affordable(chosen, explored, excess, np.array([0.03]))
    assert cut.sum() == pytest.approx(1.0)
    assert cut.min() > 0
    assert cut[3] == pytest.approx(0.01 / 90)
    assert cut[2] == pytest.approx(0.01)
    assert (explored @ excess)[0] > 0.9


def test_exploration_that_can_be_paid_for_stays() -> None:
    chosen = np.array([0.5, 0.5])
    assert affordable(chosen, np.array([0.0, 0.1]), np.array([[0.0], [1.0]]), np.array([0.2])) is chosen
