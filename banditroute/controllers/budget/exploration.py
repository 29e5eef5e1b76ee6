"""Exploration that the budget can pay for: the floor and the burn-in of a policy, cut where they are expensive."""

import numpy as np

from banditroute.core.arrays import FloatArray

FORBIDDING = 1e6


def affordable(chosen: FloatArray, explored: FloatArray, excess: FloatArray, limit: FloatArray) -> FloatArray:
    """``chosen`` with its exploration cut so that it costs no more than ``limit``, beyond the cheapest arm.

    Each arm may spend the same on being explored, so a cheap arm keeps all of its share, an expensive one little,
    which is never 0: every probability stays on the record. What is cut goes to the arms chosen on purpose.

    Args:
        chosen: Probabilities; shape (arms,).
        explored: The part of them that no price removes, 0 for the cheapest arm; shape (arms,).
        excess: What each arm costs more than the cheapest; shape (arms, resources).
        limit: What exploration may cost; shape (resources,).
    """
    bills = explored[:, np.newaxis] * np.maximum(excess, 0.0)
    bearers = np.count_nonzero(bills.any(axis=1))
    if not bearers or (bills.sum(axis=0) <= limit).all():
        return chosen
    portion = limit / bearers
    kept = np.where(bills > portion, portion / np.where(bills > 0, bills, 1.0), 1.0).min(axis=1)
    explored_less = explored * kept
    purposeful = np.maximum(chosen - explored, 0.0)
    total = purposeful.sum()
    if not total > 0:
        return chosen
    result: FloatArray = explored_less + (1.0 - explored_less.sum()) / total * purposeful
    return result
