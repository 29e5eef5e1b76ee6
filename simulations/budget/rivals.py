"""Three published controllers to compare budgets with, reconstructed from the texts of their papers.

All of them see the same policy and the same list prices; none of them looks after the floor of exploration, so
they are run without one.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from banditroute.controllers import Choice, Predict
from banditroute.core.arrays import FloatArray
from banditroute.core.log import DecisionRecord, FeedbackRecord
from banditroute.core.situation import Situation


class Rival(ABC):
    """A controller whose state is a few numbers, moved by each bill; in allowances, so that budgets may change.

    Args:
        usd_per_request: Mean cost of a request.
        usd: What each arm usually costs.
        since_us: Bills that came before are history.
    """

    name = "rival"

    def __init__(self, usd_per_request: float, usd: Mapping[str, float], since_us: int) -> None:
        self.budget = usd_per_request
        self.usd = dict(usd)
        self.since_us = since_us
        self.numbers: dict[str, float] = self.beginning()

    @abstractmethod
    def beginning(self) -> dict[str, float]:
        """Return the initial state."""

    @abstractmethod
    def control(self, situation: Situation, choice: Choice) -> FloatArray:
        """Return the probabilities with prices, or over fewer arms."""

    @abstractmethod
    def pay(self, allowances: float) -> None:
        """Update the state by a cost, as a multiple of the allowance per request."""

    def effects(self, situation: Situation) -> Mapping[str, Any]:
        """Its numbers."""
        del situation
        return dict(self.numbers)

    def decided(self, record: DecisionRecord, predict: Predict) -> None:  # noqa: B027  # bills are what matters
        """Nothing."""

    def learned(self, record: FeedbackRecord) -> None:
        """Pay."""
        if "cost_usd" in record.outcomes and record.received_us >= self.since_us:
            self.pay(record.outcomes["cost_usd"] / self.budget)

    def state(self) -> Mapping[str, Any]:
        """Its numbers."""
        return dict(self.numbers)

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue."""
        self.numbers = dict(state)

    def costs(self, situation: Situation) -> FloatArray:
        """Return the usual cost of each arm."""
        return np.array([self.usd[arm] for arm in situation.arms])


class Pacer(Rival):
    """The pacer of ParetoBandit (arXiv 2604.00136): a price per logarithm of the list price.

    λ ← clip(λ + .05 (c̄/B − 1), 0, 5) with c̄ the moving average of bills (.05); the penalty is λ times the
    log-normalised price, and arms dearer than the dearest / (1 + λ) are left out.
    """

    # USD per thousand tokens, half prompt and half output, as the price lists of the three models say.
    LIST: ClassVar = {"llama-3.1-8b": 1e-4, "mistral-large": 1e-3, "gemini-2.5-pro": 5.625e-3}
    LEAST, MOST, RATE, MEMORY, CEILING = 1e-4, 0.1, 0.05, 0.05, 5.0

    def beginning(self) -> dict[str, float]:
        """No price; the moving average starts at the budget."""
        return {"price": 0.0, "average": 1.0}

    def control(self, situation: Situation, choice: Choice) -> FloatArray:
        """Penalty and ceiling."""
        listed = np.array([self.LIST[arm] for arm in situation.arms])
        normal = np.log(listed / self.LEAST) / math.log(self.MOST / self.LEAST)
        price = self.numbers["price"]
        allowed = situation.eligible & (listed <= listed[situation.eligible].max() / (1 + price))
        narrowed = situation if not allowed.any() else replace(situation, eligible=allowed)
        return choice(narrowed.priced(price * np.clip(normal, 0.0, 1.0)))

    def pay(self, allowances: float) -> None:
        """One step up the dual."""
        average = self.numbers["average"] + self.MEMORY * (allowances - self.numbers["average"])
        price = self.numbers["price"] + self.RATE * (average - 1)
        self.numbers = {"price": min(max(price, 0.0), self.CEILING), "average": average}


class Thresholds(Rival):
    """Online knapsack with thresholds, as in PILOT (arXiv 2508.21141): bins of requests, the rest spills over.

    An arm may serve if its quality is worth its cost at the threshold (U e / L)^z · L / e, where z is the part of
    the bin's budget that is used; U and L bound quality per dollar.
    """

    BIN = 100.0

    def beginning(self) -> dict[str, float]:
        """A full bin."""
        return {"left": self.BIN, "whole": self.BIN, "seen": 0.0}

    def control(self, situation: Situation, choice: Choice) -> FloatArray:
        """Only arms that are worth it now; if none is, the cheapest."""
        usd = self.costs(situation)
        upper, lower = 1.0 / min(self.usd.values()), 0.5 / max(self.usd.values())
        used = 1.0 - max(self.numbers["left"], 0.0) / self.numbers["whole"]
        threshold = (upper * math.e / lower) ** used * lower / math.e
        allowed = situation.eligible & (usd * threshold <= situation.utility())
        if not allowed.any():
            allowed = usd == usd[situation.eligible].min()
        return choice(replace(situation, eligible=allowed & situation.eligible))

    def pay(self, allowances: float) -> None:
        """Out of the bin; after so many requests comes the next one."""
        left, seen = self.numbers["left"] - allowances, self.numbers["seen"] + 1
        whole = self.numbers["whole"]
        if seen >= self.BIN:
            left, seen = left + self.BIN, 0.0
            whole = max(left, 1.0)
        self.numbers = {"left": left, "whole": whole, "seen": seen}


class PrimalDual(Rival):
    """LinCBwK (Agrawal & Devanur, NIPS 2016): the dual follows the bills by multiplicative weights.

    The penalty is Z θ c / B with Z the value of the budget (the best quality) and θ = w / (1 + w), where
    log w ← log w + η (c/B − 1).
    """

    VALUE, RATE = 0.93, 0.02
    # A bill of a hundred allowances would move the price from one end to the other.
    LARGEST = 10.0

    def beginning(self) -> dict[str, float]:
        """Even weights."""
        return {"log_weight": 0.0}

    def control(self, situation: Situation, choice: Choice) -> FloatArray:
        """The priced choice."""
        theta = 1.0 / (1.0 + math.exp(-self.numbers["log_weight"]))
        return choice(situation.priced(self.VALUE * theta * self.costs(situation) / self.budget))

    def pay(self, allowances: float) -> None:
        """One step."""
        step = self.RATE * (min(allowances, self.LARGEST) - 1)
        self.numbers = {"log_weight": float(np.clip(self.numbers["log_weight"] + step, -20.0, 20.0))}
