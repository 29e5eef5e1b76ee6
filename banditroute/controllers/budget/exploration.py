"""Reduces a policy's floor and burn-in where they cost more than the budget allows."""

import numpy as np

from banditroute.core.arrays import FloatArray

FORBIDDING = 1e6


def affordable(chosen: FloatArray, explored: FloatArray, excess: FloatArray, limit: FloatArray) -> FloatArray:
    """Return ``chosen`` with exploration reduced to a cost of at most ``limit`` above the cheapest arm.

    Each arm gets the same amount for exploration. A cheap arm keeps its whole share; an expensive one keeps a
    small share, which is never 0. The removed share goes to the arms that the policy chose at these prices.

    Args:
        chosen: Probabilities; shape (arms,).
        explored: The part of the probabilities that no price removes, 0 for the cheapest arm; shape (arms,).
        excess: Cost of each arm above the cheapest; shape (arms, resources).
        limit: Largest cost of exploration; shape (resources,).
    """
    bills = explored[:, np.newaxis] * np.maximum(excess, 0.0)
    paying = np.count_nonzero(bills.any(axis=1))
    if not paying or (bills.sum(axis=0) <= limit).all():
        return chosen
    portion = limit / paying
    kept = np.where(bills > portion, portion / np.where(bills > 0, bills, 1.0), 1.0).min(axis=1)
    explored_less = explored * kept
    purposeful = np.maximum(chosen - explored, 0.0)
    total = purposeful.sum()
    if not total > 0:
        return chosen
    result: FloatArray = explored_less + (1.0 - explored_less.sum()) / total * purposeful
    return result
