"""Solves for the price of resources at which the best arms cost the allowance: a convex dual, by bisection.

    min_{μ ≥ 0}  μ·B + mean_s max_a (u_a(x_s) − μ·c_a(x_s))

Its slope is B minus the mean cost of the best arms at μ, which is a decreasing step function of μ. The optimum
usually lies at a step, where no single price spends B; then two prices are mixed, one on each side.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from banditroute.core.arrays import FloatArray

_DOUBLINGS = 60
_PRECISION = 1e-3
_SWEEPS = 12
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Prices:
    """Two prices of every resource, and the shares in which they are mixed.

    Attributes:
        low: Price at which at least the allowance is spent; shape (resources,).
        high: Price at which at most the allowance is spent; shape (resources,).
        share: Share of requests at the low price. [0, 1]
        slack: Allowance minus cost; shape (resources,). Below 0 if even the cheapest arms cost more.
    """

    low: FloatArray
    high: FloatArray
    share: float
    slack: FloatArray

    @property
    def mixture(self) -> Sequence[tuple[float, FloatArray]]:
        """The shares of requests, all above 0, and their prices."""
        pairs = ((self.share, self.low), (1 - self.share, self.high))
        return [pair for pair in pairs if pair[0] > 0]

    @property
    def mean(self) -> FloatArray:
        """The shadow price: the value of one more unit; shape (resources,)."""
        return self.share * self.low + (1 - self.share) * self.high


def spending(utility: FloatArray, costs: FloatArray, prices: FloatArray) -> FloatArray:
    """Return the mean cost of the best arms at these prices; shape (resources,).

    Args:
        utility: Utility of each arm, −∞ for an arm that may not serve; shape (contexts, arms).
        costs: Cost of each arm; shape (contexts, arms, resources).
        prices: Price of each resource; shape (resources,).
    """
    best = (utility - costs @ prices).argmax(axis=1)
    mean: FloatArray = costs[np.arange(len(costs)), best].mean(axis=0)
    return mean


def solve(utility: FloatArray, costs: FloatArray, allowance: FloatArray, *, margin: float = 0.0) -> Prices:
    """Return the prices at which these contexts cost the allowance; for the arguments see :func:`spending`.

    With several resources, their prices are solved in turn until none of them changes. The low price is lowered
    and the high price is raised by the share ``margin``: if contexts are similar, nearly all of them change their
    arm at the same price. That price moves with every learned outcome, and should stay between the two prices
    until the next solution.

    >>> prices = solve(np.array([[0.5, 0.9]]), np.array([[[1.0], [3.0]]]), np.array([1.5]))
    >>> prices.mean.round(3), round(prices.share, 3)
    (array([0.2]), 0.25)
    """
    least = np.where(np.isneginf(utility)[..., np.newaxis], np.inf, costs).min(axis=1).mean(axis=0)
    limit = np.maximum(allowance, least * (1 + _ROUNDING))
    low = high = np.zeros(len(allowance))
    for _ in range(1 if len(allowance) == 1 else _SWEEPS):
        before = high
        for resource in range(len(allowance)):
            low, high = _bracket(utility, costs, limit, low, high, resource)
        if np.allclose(high, before, rtol=_PRECISION, atol=0.0):
            break
    low, high = low * (1 - margin), high * (1 + margin)
    expensive, cheap = spending(utility, costs, low), spending(utility, costs, high)
    short = expensive > limit
    parts = (limit - cheap)[short] / np.maximum(expensive - cheap, np.finfo(float).tiny)[short]
    share = float(np.clip(parts.min(initial=1.0), 0.0, 1.0))
    return Prices(low, high, share, allowance - share * expensive - (1 - share) * cheap)


def _bracket(
    utility: FloatArray, costs: FloatArray, limit: FloatArray, low: FloatArray, high: FloatArray, resource: int
) -> tuple[FloatArray, FloatArray]:
    """Return two close prices of one resource around the allowance; the other prices stay at ``high``."""

    def spent(price: float) -> float:
        prices = high.copy()
        prices[resource] = price
        return float(spending(utility, costs, prices)[resource])

    under, over = low.copy(), high.copy()
    most = float(limit[resource])
    left, right = 0.0, 0.0
    if spent(0.0) > most:
        unit = float(costs[..., resource].max())
        right = (1.0 if unit <= 0 else 1.0 / unit) * 2.0**-20
        for _ in range(_DOUBLINGS):
            if spent(right) <= most:
                break
            left, right = right, 2 * right
        while right - left > _PRECISION * right:
            middle = (left + right) / 2
            left, right = (middle, right) if spent(middle) > most else (left, middle)
    under[resource], over[resource] = left, right
    return under, over
