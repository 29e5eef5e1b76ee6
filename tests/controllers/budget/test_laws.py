"""Budgets keep the laws of controllers."""

from banditroute.controllers import Budget
from banditroute.testing import ControllerLaws


class BudgetLaws(ControllerLaws):
    steps = 24


class TestOneTightResource(BudgetLaws):
    def controller(self) -> Budget:
        return Budget(per_request={"objective_1": 0.2}, every=5, window=15, exploration=0.01, patience=5)


class TestTwoResources(BudgetLaws):
    def controller(self) -> Budget:
        return Budget(per_request={"objective_0": 0.4, "objective_1": 0.3}, every=7, horizon=20)


class TestDollarsOfADayThatNobodyReports(BudgetLaws):
    def controller(self) -> Budget:
        return Budget(usd_per_day=3.0)
