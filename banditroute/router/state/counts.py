"""Counts of learned outcomes by arm, and the spread of what each arm costs."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from banditroute.core.arrays import OUTCOME_UNIT, FloatArray, IntArray
from banditroute.core.objectives import COST, Objectives

PRIOR_COSTS = 4.0
"""At first an arm's standard deviation is taken to be its mean, with the weight of so many costs."""


class OutcomeCounts:
    """How many outcomes of each arm were learned, and the sums of their costs: exact, in any order.

    Attributes:
        known: Objective group → number of learned outcomes of each arm; shape (arms,).
    """

    def __init__(self, objectives: Objectives) -> None:
        self._objectives = objectives
        self._cost_group, self._cost_place = "", 0
        if COST in objectives.names:
            position = objectives.names.index(COST)
            self._cost_group = objectives[position].group
            self._cost_place = objectives.groups[self._cost_group].index(position)
        self.known: dict[str, IntArray] = {}
        # Number of costs, their sum and the sum of their squares, for each arm.
        self._costs: list[list[int]] = []
        self.clear()

    def clear(self) -> None:
        """Forget all arms."""
        self.known = {group: np.zeros(0, dtype=np.int64) for group in self._objectives.groups}
        self._costs = []

    def add_arms(self, count: int) -> None:
        """Add so many arms without outcomes."""
        self.known = {
            group: np.append(known, np.zeros(count, dtype=np.int64)) for group, known in self.known.items()
        }
        self._costs += [[0, 0, 0] for _ in range(count)]

    def learn(
        self, arm: int, group: str, values: tuple[int, ...] | None, previous: tuple[int, ...] | None
    ) -> None:
        """Add values of an arm, subtract its previous ones, or both."""
        self.known[group][arm] += (values is not None) - (previous is not None)
        if group == self._cost_group:
            for sign, each in ((1, values), (-1, previous)):
                if each is not None:
                    cost = each[self._cost_place]
                    sums = self._costs[arm]
                    sums[0] += sign
                    sums[1] += sign * cost
                    sums[2] += sign * cost * cost

    def least(self, weights: FloatArray) -> IntArray:
        """Return how many outcomes of each arm are known, of the weighted group of which the fewest are."""
        counts = [
            self.known[group]
            for group, positions in self._objectives.groups.items()
            if any(weights[position] for position in positions)
        ]
        least: IntArray = counts[0] if len(counts) == 1 else np.minimum.reduce(counts)
        return least

    def cost_ceilings(self, deviations: float) -> FloatArray:
        """Return mean + deviations · spread of each arm's cost [scaled]; NaN for an arm without counted costs.

        It is of the arm's own costs alone: a model that shares what it knows among arms expects too much of an arm
        that is a thousand times cheaper than the others.
        """
        n, total, squares = np.array(self._costs, dtype=np.float64).reshape(-1, 3).T
        some = np.maximum(n, 1.0)
        mean, squares = total * OUTCOME_UNIT / some, squares * OUTCOME_UNIT**2 / some
        variance = np.maximum(squares - mean**2, 0.0)
        spread = np.sqrt((n * variance + PRIOR_COSTS * mean**2) / (n + PRIOR_COSTS))
        return np.where(n > 0, mean + deviations * spread, np.nan)

    def state(self) -> Mapping[str, Any]:
        """Return all counts as a mapping for JSON."""
        return {
            "known": {group: known.tolist() for group, known in self.known.items()},
            "costs": self._costs,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from the result of :meth:`state`; raises ValueError or LookupError for another form."""
        known = {group: np.array(state["known"][group], dtype=np.int64) for group in self.known}
        costs = [[int(n), int(total), int(squares)] for n, total, squares in state["costs"]]
        if {len(costs), *map(len, known.values())} != {len(self._costs)}:
            raise ValueError("counts are of other arms")
        self.known, self._costs = known, costs
