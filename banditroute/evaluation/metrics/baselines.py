"""Baselines for policies: single arms, static mixtures and the oracle.

All of them are computed in hindsight, from outcomes that no router can see beforehand. A static mixture sends
fixed shares of the traffic to the arms, independent of the request. A router that does not beat the best static
mixture at its own cost gains nothing from its features.
"""

import math
from collections.abc import Sequence

import numpy as np

from banditroute.core.arrays import FloatArray
from banditroute.core.objectives import Objectives, Preferences
from banditroute.evaluation.workload.workload import Workload

_ROUNDING = 1e-9


def utilities(workload: Workload, objectives: Objectives, preferences: Preferences) -> FloatArray:
    """Compute the utility of every cell, shape (requests, arms): U = Σ_j w_j v_j.

    v = (y − lo) / (hi − lo), linear beyond the bounds, with a minus sign for an objective to be minimised. NaN
    where an objective with a weight above 0 was not recorded.
    """
    weights = objectives.weights(preferences)
    total = np.zeros((len(workload), len(workload.arms)))
    for objective, weight in zip(objectives, weights.tolist(), strict=True):
        if weight:
            total += weight * ((workload.outcomes[objective.name] - objective.bounds[0]) / objective.span)
    return total


def oracle(cells: FloatArray) -> FloatArray:
    """Return the best recorded cell of each request, shape (requests,); NaN if none was recorded."""
    best: FloatArray = np.where(np.isnan(cells), -np.inf, cells).max(axis=1)
    best[np.isneginf(best)] = np.nan
    return best


def oracle_arms(cells: FloatArray, cost_usd: FloatArray | None) -> list[int]:
    """Return the arm that the oracle takes for each request: the best, and among equally good ones the cheapest.

    An unrecorded cost counts as infinite. Shape (requests,).
    """
    best = oracle(cells)
    ties = cells == best[:, None]
    price = np.zeros_like(cells) if cost_usd is None else np.where(np.isnan(cost_usd), np.inf, cost_usd)
    price = np.where(ties, price, np.nan)
    empty = ~ties.any(axis=1)
    price[empty] = 0.0
    chosen: list[int] = np.nanargmin(price, axis=1).tolist()
    return chosen


def mean_of_arms(cells: FloatArray) -> FloatArray:
    """Return the mean of each arm over its recorded requests, shape (arms,); NaN if none was recorded."""
    known = ~np.isnan(cells)
    counts = known.sum(axis=0)
    return np.where(counts > 0, np.where(known, cells, 0.0).sum(axis=0) / np.maximum(counts, 1), np.nan)


def frontier(quality: FloatArray, cost_usd: FloatArray) -> Sequence[int]:
    """Return the arms of the best static mixtures, from the cheapest to the best: the upper left convex hull.

    Arms without a known mean quality or cost are left out.

    >>> frontier(np.array([0.5, 0.6, 0.9, 0.8]), np.array([1.0, 2.0, 3.0, 4.0]))
    [0, 2]
    """
    known = [i for i in range(len(quality)) if math.isfinite(quality[i]) and math.isfinite(cost_usd[i])]
    hull: list[int] = []
    for arm in sorted(known, key=lambda i: (cost_usd[i], -quality[i])):
        if hull and quality[arm] <= quality[hull[-1]]:
            continue
        while len(hull) > 1 and _is_below(quality, cost_usd, hull[-2], hull[-1], arm):
            hull.pop()
        hull.append(arm)
    return hull


def _is_below(quality: FloatArray, cost: FloatArray, left: int, middle: int, right: int) -> bool:
    """Return whether the middle arm lies on or below the line between the two others."""
    rise = (quality[middle] - quality[left]) * (cost[right] - cost[left])
    return bool(rise <= (quality[right] - quality[left]) * (cost[middle] - cost[left]))


def best_static_mixture(quality: FloatArray, cost_usd: FloatArray, budget_usd: float) -> FloatArray | None:
    """Return the shares of the arms that maximise mean quality at a mean cost of at most ``budget_usd``.

    The optimum of this linear programme mixes at most two arms, neighbours on the :func:`frontier`.

    Args:
        quality: Mean of each arm, shape (arms,).
        cost_usd: Mean of each arm, unclipped, shape (arms,).
        budget_usd: Mean cost allowed per request.

    Returns:
        Shape (arms,), or None if even the cheapest arm costs more, or no cost is known.

    >>> best_static_mixture(np.array([0.5, 0.9]), np.array([1.0, 3.0]), 1.5)
    array([0.75, 0.25])
    """
    hull = frontier(quality, cost_usd)
    if not hull or not budget_usd >= cost_usd[hull[0]] * (1 - _ROUNDING):
        return None
    shares = np.zeros(len(quality))
    affordable = [arm for arm in hull if cost_usd[arm] <= budget_usd] or hull[:1]
    left = affordable[-1]
    shares[left] = 1.0
    if len(affordable) < len(hull):
        right = hull[len(affordable)]
        share = (budget_usd - cost_usd[left]) / (cost_usd[right] - cost_usd[left])
        shares[right] = max(share, 0.0)
        shares[left] = 1.0 - shares[right]
    return shares
