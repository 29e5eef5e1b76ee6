"""A comparison that is small enough to check by hand."""

import numpy as np

from banditroute.core.objectives import Objective, Objectives
from banditroute.evaluation import (
    Comparison,
    Workload,
)


def by_hand(cost: list[list[float]] | None = None, seeds: int = 2) -> Comparison:
    """Build a comparison of two arms and four requests in two orders, small enough to check by hand."""
    outcomes = {"quality": np.array([[0.2, 1.0], [0.4, 0.6], [0.8, 0.0], [1.0, 0.6]])}
    if cost is not None:
        outcomes["cost_usd"] = np.array(cost)
    workload = Workload(arms=("a", "b"), features=np.zeros((4, 1)), outcomes=outcomes)
    return Comparison(
        workload=workload,
        objectives=Objectives([Objective("quality", bounds=(0, 2))]),
        preferences={"quality": 4.0},
        policies=("first", "second"),
        seeds=tuple(range(seeds)),
        rows=np.array([[0, 1, 2, 3], [3, 2, 1, 0]])[:seeds],
        chosen=np.array([[[0, 0, 0, 0]] * 2, [[0, 1, 1, 0]] * 2])[:, :seeds],
        propensity=np.ones((2, seeds, 4)),
    )


COST = [[1.0, 3.0]] * 4
