"""Allowances: income, debts and horizons."""

import numpy as np
import pytest

from banditroute.controllers.budget.account import Account, Charge
from banditroute.controllers.budget.allowance import Allowance
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
