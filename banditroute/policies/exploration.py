"""Exploration around an argmax: ties shared, new arms tried, and no arm at probability 0.

Exploration mixes distributions and never draws, so the logged propensity is exact.
"""

from dataclasses import dataclass

import numpy as np

from banditroute.core.arrays import BoolArray, FloatArray
from banditroute.core.situation import Situation
from banditroute.core.validation import set_integer, set_number

_TIE = 1e-9


def tie_tolerance(situation: Situation) -> float:
    """Return the largest difference of two scores that still counts as a tie: 1e-9 of the weights' sum.

    Matrix products add the terms of their edge rows in another order, so equal arms may differ in the last bits.
    """
    total: float = sum(map(abs, situation.weights.tolist()))
    return _TIE * total


def greedy(score: FloatArray, situation: Situation) -> FloatArray:
    """Put all probability on the eligible arm with the highest score; ties share it. Shape (arms,)."""
    if np.count_nonzero(situation.eligible) < len(score):
        score = np.where(situation.eligible, score, -np.inf)
    first = score.argmax()
    best = score >= score[first] - tie_tolerance(situation)
    count = np.count_nonzero(best)
    probabilities = np.zeros(len(score))
    if count > 1:
        probabilities[best] = 1.0 / count
        return probabilities
    probabilities[first] = 1.0
    return probabilities


@dataclass(frozen=True, slots=True, kw_only=True)
class Exploration:
    """The final randomiser of a policy: π = (1 − ε)·[(1 − q)·p + q·newcomers] + ε·uniform.

    Attributes:
        floor: ε, the share of traffic spread evenly over the eligible arms, so that the log can be evaluated
            for any policy. [0, 1)
        burn_in: An arm chosen less often than this is a newcomer. 0 switches burn-in off.
        burn_in_share: q, the share of traffic spread evenly over newcomers while there are any. A burn-in costs
            at most this share of traffic, however bad the newcomer is. [0, 1)
    """

    floor: float = 0.02
    burn_in: int = 5
    burn_in_share: float = 0.2

    def __post_init__(self) -> None:
        set_number(self, "floor", least=0, below=1)
        set_number(self, "burn_in_share", least=0, below=1)
        set_integer(self, "burn_in", least=0)

    def mix(self, probabilities: FloatArray, situation: Situation) -> FloatArray:
        """Return the probabilities after burn-in and floor; shape (arms,)."""
        eligible = situation.eligible
        if self.burn_in:
            newcomers = situation.plays < self.burn_in
            if np.count_nonzero(newcomers):
                newcomers &= eligible
                probabilities = mix_uniform(probabilities, self.burn_in_share, newcomers)
        return mix_uniform(probabilities, self.floor, eligible) if self.floor else probabilities


def mix_uniform(probabilities: FloatArray, share: float, arms: BoolArray) -> FloatArray:
    """Take a share of all probability and spread it evenly over some arms, if there are any."""
    count = np.count_nonzero(arms)
    if not count:
        return probabilities
    mixed = (1 - share) * probabilities
    # Adding to the whole array takes a third of the time of adding to a selection.
    mixed += share / count if count == len(arms) else arms * (share / count)
    return mixed


STANDARD_EXPLORATION = Exploration()
