"""Budget controller: a shadow price of resources, solved repeatedly, at which the traffic costs the allowance."""

import base64
from collections import deque
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np

from banditroute.controllers.base import Choice, Predict
from banditroute.controllers.budget.account import Account, Charge
from banditroute.controllers.budget.allowance import allowances_of
from banditroute.controllers.budget.dual import Prices, solve
from banditroute.controllers.budget.exploration import FORBIDDING, affordable
from banditroute.controllers.budget.forecast import Forecast, expected
from banditroute.core.arrays import FloatArray, RowArray, from_feature_row
from banditroute.core.log import DecisionRecord, FeedbackRecord
from banditroute.core.log_time import LogTime
from banditroute.core.objectives import COST
from banditroute.core.situation import Situation
from banditroute.core.validation import require_integer, require_number
from banditroute.errors import InvalidArgumentError

_OVERSPEND_MEMORY = 100
_LEAST_ALLOWANCE = 0.01
_GROWTH = 20
_MARGIN_ROWS, _LEAST_MARGIN, _MOST_MARGIN = 5.0, 0.01, 0.1
_LEAST_GAP_S = 1e-6


class Budget:
    """Keeps the mean cost of requests at the allowance, and maximises utility under it.

    An arm's index becomes its utility minus μ × its expected cost. μ, the shadow price, is solved for repeatedly
    on the last contexts: it is the price at which the best arms there cost the allowance (see
    :mod:`~banditroute.controllers.budget.dual`). The allowance is the income of a request, minus a share of the
    debt. The debt uses actual, unclipped cost; a decision without reported cost counts at its expected cost.
    Exploration that prices do not affect (a policy's floor and burn-in) is reduced where it would cost more than
    its share of the allowance.

    The budget limits the mean, not each request; use ``max_cost_usd`` of a request for that. If even the cheapest
    arm costs more than the allowance, the cheapest arm serves and the debt grows.

    Args:
        usd_per_request: Mean cost of a request [USD].
        usd_per_day: Cost of a day, independent of its traffic [USD].
        total: Cost of the next ``horizon`` requests [USD].
        horizon: Number of requests that the budget is for; by default it has no end.
        per_request: Other resources: name of a reported outcome (an objective, or ``prompt_tokens`` and
            ``output_tokens``) → the amount that a request may use on average.
        optimism: Number of widths added to an arm's mean when the price is solved for; use the value of the policy
            (``alpha`` of LinUCB, 0 for LinTS).
        every: Number of decisions after which the price is solved again; fewer at the start.
        window: Number of last contexts for which the price is solved.
        patience: Number of requests over which a debt or a credit is balanced. If forecasts are too low for the
            requests chosen by them, a debt of this many times the difference remains.
        exploration: Share of the allowance that exploration may cost. (0, 1]
        since: Start of the budget. From earlier decisions only the cost of arms is learned; they are not charged.
        name: Name of the controller, if there are several budgets.

    References:
        Agrawal & Devanur, "Linear contextual bandits with knapsacks", NIPS 2016 (the dual; here it is solved
        repeatedly on recent contexts, instead of by gradient steps).

    >>> Budget(usd_per_request=0.002).resources
    ('cost_usd',)
    """

    def __init__(
        self,
        *,
        usd_per_request: float | None = None,
        usd_per_day: float | None = None,
        total: float | None = None,
        horizon: int | None = None,
        per_request: Mapping[str, float] | None = None,
        optimism: float = 1.5,
        every: int = 25,
        window: int = 1000,
        patience: int = 250,
        exploration: float = 0.05,
        since: datetime | None = None,
        name: str = "budget",
    ) -> None:
        allowances = allowances_of(usd_per_request, usd_per_day, total, horizon, per_request or {})
        every = require_integer("every", every, least=1)
        window = require_integer("window", window, least=1)
        patience = require_integer("patience", patience, least=1)
        optimism = require_number("optimism", optimism, least=0)
        exploration = require_number("exploration", exploration, above=0, most=1)
        if since is not None and not (isinstance(since, datetime) and since.tzinfo):
            raise InvalidArgumentError(f"since = {since!r} must be a datetime with a time zone")
        self.name = name
        self.resources = tuple(allowances)
        self.optimism = float(optimism)
        self.every = every
        self.exploration = float(exploration)
        self.since_us = None if since is None else int(since.timestamp() * 1e6)
        self._account = Account([*allowances.values()], patience)
        self._forecasts = [Forecast() for _ in allowances]
        self._rows: deque[RowArray] = deque(maxlen=window)
        self._time = LogTime()
        self._times_us: deque[int] = deque(maxlen=window)
        self._prices: Prices | None = None
        self._wait = 0
        self._overspend = np.zeros(len(allowances))
        # Expected cost of arms without a reported cost, and changed price factors, both from the last situation.
        self._cost_priors: dict[str, list[float]] = {}
        self._factors: dict[str, float] = {}

    @property
    def spent(self) -> Mapping[str, float]:
        """Resource → total cost; decisions without reported cost count at their expected cost."""
        return dict(zip(self.resources, self._account.spent, strict=True))

    @property
    def shadow_price(self) -> Mapping[str, float]:
        """Resource → value of one more unit now [utility/unit]; empty before the first decision."""
        return {} if self._prices is None else self._by_resource(self._prices.mean)

    def control(self, situation: Situation, choice: Choice) -> FloatArray:
        """Return the choice at the shadow price, with exploration reduced to its share of the allowance."""
        costs = self._costs(situation)
        prices = self._prices_for(situation, costs)
        chosen = np.zeros(len(costs))
        for share, price in prices.mixture:
            bills = costs @ price
            # Only differences matter; prices, and so bills, are huge if the allowance is too low for every arm.
            penalty = np.maximum(bills - bills[situation.eligible].min(), 0.0)
            chosen = chosen + share * choice(situation.priced(penalty))
        relative = np.where(situation.eligible, (costs / self._scale()).sum(axis=1), np.inf)
        cheapest = int(relative.argmin())
        excess = costs - costs[cheapest]
        limit = np.maximum(self.exploration * self._scale(), prices.slack)
        if (chosen @ np.maximum(excess, 0.0) <= limit).all():
            return chosen
        forbidding = np.full(len(costs), FORBIDDING * (1.0 + np.abs(situation.weights).sum()))
        forbidding[cheapest] = 0.0
        explored = choice(situation.priced(forbidding))
        explored[cheapest] = 0.0
        return affordable(chosen, explored, excess, limit)

    def effects(self, situation: Situation) -> Mapping[str, Any]:
        """Return shadow prices, allowances, balances, expected costs, and the price factors if a price changed."""
        costs = self._costs(situation)
        facts: dict[str, Any] = {
            "shadow_price": self._by_resource(self._prices_for(situation, costs).mean),
            "allowance": self._by_resource(self._allowance()),
            "balance": self._by_resource(np.array(self._account.balance)),
            "expected": {
                resource: dict(zip(situation.arms, column.tolist(), strict=True))
                for resource, column in zip(self.resources, costs.T, strict=True)
            },
        }
        if situation.price_factors is not None:
            facts["price_factor"] = dict(zip(situation.arms, situation.price_factors.tolist(), strict=True))
        return facts

    def decided(self, record: DecisionRecord, predict: Predict) -> None:
        """Charge a decision; solve for the price again after every ``every`` decisions."""
        self._read_effects(record)
        x = from_feature_row(record.row)[np.newaxis]
        costs = self._expected(record, x)[0]
        amounts = tuple(costs[record.arms.index(record.arm)].tolist())
        counted = self.since_us is None or record.created_us >= self.since_us
        now_us = self._time.advance(record.created_us)
        elapsed_s = (now_us - self._times_us[-1]) / 1e6 if self._times_us else 0.0
        self._rows.append(record.row)
        self._times_us.append(now_us)
        charge = Charge(record.arm, self._factors.get(record.arm, 1.0), amounts, counted)
        self._account.charge(record.decision_key, charge, elapsed_s=elapsed_s)
        if counted:
            self._update_overspend(record, costs)
            self._wait -= 1
            if self._wait <= 0:
                self._solve(record, predict)
                # With few requests so far, each outcome changes much, so the price is solved more often.
                self._wait = min(self.every, -(-self._account.requests // _GROWTH))

    def learned(self, record: FeedbackRecord) -> None:
        """Correct the charge by the reported cost, and learn the cost of the arm that served."""
        if record.values is None:
            return
        amounts = {j: record.outcomes[name] for j, name in enumerate(self.resources) if name in record.outcomes}
        charge = self._account.find(record.decision_key)
        if charge is not None and amounts:
            self._account.bill(record.decision_key, amounts)
        if record.revision:
            return
        for j, amount in amounts.items():
            factor = 1.0
            if self.resources[j] == COST and charge is not None and charge.arm == record.arm:
                factor = charge.factor
            if factor > 0:
                self._forecasts[j].learn(record.arm, record.row, amount / factor)

    def _read_effects(self, record: DecisionRecord) -> None:
        effects = record.effects.get(self.name)
        if effects is None:
            # A fallback decision has no effects.
            return
        self._factors = {arm: f for arm, f in effects.get("price_factor", {}).items() if f != 1.0}
        for arm in record.arms:
            if any(forecast.level(arm) is None for forecast in self._forecasts):
                stated = [effects.get("expected", {}).get(name, {}).get(arm) for name in self.resources]
                if None not in stated:
                    self._cost_priors[arm] = stated
            else:
                self._cost_priors.pop(arm, None)

    def _update_overspend(self, record: DecisionRecord, costs: FloatArray) -> None:
        """Update the excess of cost over the plan at the price, caused by exploration or other controllers."""
        if self._prices is None or record.mean.shape[1] != len(record.weights):
            return
        utility = self._optimistic(record.mean, record.width, record.weights)
        utility = np.where([arm in record.excluded for arm in record.arms], -np.inf, utility)
        plan = np.zeros(len(self.resources))
        for share, price in self._prices.mixture:
            plan += share * costs[int((utility - costs @ price).argmax())]
        surplus = record.probabilities @ costs - plan
        self._overspend = self._overspend + (surplus - self._overspend) / min(
            self._account.requests, _OVERSPEND_MEMORY
        )

    def _solve(self, record: DecisionRecord, predict: Predict) -> None:
        gone = {arm for arm, rule in record.excluded.items() if rule.startswith("status ")}
        indices = [i for i, arm in enumerate(record.arms) if arm not in gone]
        if not indices:
            return
        rows = np.concatenate(self._rows).reshape(len(self._rows), -1)
        mean, width = predict(rows)
        utility = self._optimistic(mean, width, record.weights)
        costs = self._expected(record, from_feature_row(rows))
        self._prices = solve(
            utility[:, indices], costs[:, indices], self._allowance() - self._overspend, margin=self._margin()
        )

    def _prices_for(self, situation: Situation, costs: FloatArray) -> Prices:
        if self._prices is not None:
            return self._prices
        utility = self._optimistic(situation.mean, situation.width, situation.weights)
        utility = np.where(situation.eligible, utility, -np.inf)
        return solve(utility[np.newaxis], costs[np.newaxis], self._allowance())

    def _optimistic(self, mean: FloatArray, width: FloatArray, weights: FloatArray) -> FloatArray:
        utility: FloatArray = mean @ weights + self.optimism * (width @ np.abs(weights))
        return utility

    def _costs(self, situation: Situation) -> FloatArray:
        """Return the expected cost at current prices, shape (arms, resources)."""
        names = situation.objectives.names
        predicted = np.full((len(situation.arms), len(self.resources)), np.nan)
        for j, resource in enumerate(self.resources):
            if resource in names:
                index = names.index(resource)
                objective = situation.objectives[index]
                predicted[:, j] = np.maximum(objective.bounds[0] + objective.span * situation.mean[:, index], 0.0)
        X = None if situation.row is None else from_feature_row(situation.row)[np.newaxis]
        factors = self._price_factors(situation.price_factors)
        costs: FloatArray = expected(self._forecasts, situation.arms, X, predicted, factors)[0]
        return costs

    def _expected(self, record: DecisionRecord, X: FloatArray) -> FloatArray:
        """Return the costs of contexts, shape (contexts, arms, resources), from the record's effects."""
        nothing = [np.nan] * len(self.resources)
        priors = np.array([self._cost_priors.get(arm, nothing) for arm in record.arms])
        factors = self._price_factors(np.array([self._factors.get(arm, 1.0) for arm in record.arms]))
        return expected(self._forecasts, record.arms, X, priors, factors)

    def _price_factors(self, factors: FloatArray | None) -> FloatArray:
        """Return the price factor of every arm and resource; only the cost in dollars depends on the price."""
        if factors is None:
            return np.ones((1, len(self.resources)))
        dollars = np.array([name == COST for name in self.resources])
        return np.asarray(np.where(dollars, factors[:, np.newaxis], 1.0), dtype=np.float64)

    def _allowance(self) -> FloatArray:
        """Return the allowance of the next request, by resource; below 0 in deep debt."""
        return np.array(self._account.allowances(self._gap_s()))

    def _margin(self) -> float:
        """Return the relative margin between the two prices; it shrinks with the number of contexts."""
        return min(max(_MARGIN_ROWS / len(self._rows), _LEAST_MARGIN), _MOST_MARGIN)

    def _scale(self) -> FloatArray:
        """Return the allowance as a unit of each resource, above 0."""
        return np.maximum(self._allowance(), _LEAST_ALLOWANCE * np.array(self._account.usual(self._gap_s())))

    def _gap_s(self) -> float:
        """Return the mean time between two requests [s]; 1 before the second request."""
        gaps = len(self._times_us) - 1
        if gaps < 1:
            return 1.0
        return max((self._times_us[-1] - self._times_us[0]) / 1e6 / gaps, _LEAST_GAP_S)

    def _by_resource(self, values: FloatArray) -> dict[str, float]:
        return dict(zip(self.resources, values.tolist(), strict=True))

    def state(self) -> Mapping[str, Any]:
        """Return account, forecasts, prices, and the rows of the window as base64 of int32."""
        prices = self._prices
        return {
            "account": self._account.state(),
            "forecasts": [forecast.state() for forecast in self._forecasts],
            "rows": [base64.b64encode(row.astype("<i4").tobytes()).decode() for row in self._rows],
            "times_us": [*self._times_us],
            "time": self._time.state(),
            "prices": None
            if prices is None
            else [prices.low.tolist(), prices.high.tolist(), prices.share, prices.slack.tolist()],
            "wait": self._wait,
            "drag": self._overspend.tolist(),
            "unknown": {arm: [*amounts] for arm, amounts in self._cost_priors.items()},
            "factors": dict(self._factors),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from the result of :meth:`state`."""
        self._account.restore(state["account"])
        for forecast, stored in zip(self._forecasts, state["forecasts"], strict=True):
            forecast.restore(stored)
        self._rows.clear()
        self._rows.extend(np.frombuffer(base64.b64decode(text), "<i4") for text in state["rows"])
        self._times_us.clear()
        self._times_us.extend(state["times_us"])
        self._time = LogTime.restored(state.get("time"))
        self._prices = None
        if state["prices"] is not None:
            low, high, share, slack = state["prices"]
            self._prices = Prices(np.array(low), np.array(high), share, np.array(slack))
        self._wait = state["wait"]
        self._overspend = np.array(state["drag"])
        self._cost_priors = {arm: [*amounts] for arm, amounts in state["unknown"].items()}
        self._factors = dict(state["factors"])
