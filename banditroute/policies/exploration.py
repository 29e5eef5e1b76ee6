"""What an argmax leaves out: ties shared, new arms tried, and no arm at probability 0.

All of it is a mixture of distributions, never a draw, so that the propensity that is logged is exact.
"""

from dataclasses import dataclass

import numpy as np

from banditroute.arrays import FloatArray
from banditroute.policies.checks import require_count, require_share
from banditroute.records import Situation

_TIE = 1e-9


def greedy(score: FloatArray, situation: Situation) -> FloatArray:
    """All probability on the eligible arm of the highest score; ties share it. Shape (arms,).

    Scores closer than 1e-9 of the weights' sum are a tie: matrix products handle their edge rows in another order,
    so equal arms may differ in the last bits.
    """
    tie = _TIE * float(np.abs(situation.weights).sum())
    score = np.where(situation.eligible, score, -np.inf)
    best: FloatArray = (score >= score.max() - tie).astype(np.float64)
    count = np.count_nonzero(best)
    return best if count == 1 else best / count


@dataclass(frozen=True, slots=True, kw_only=True)
class Exploration:
    """The final randomiser of a policy: π = (1 − ε)·[(1 − q)·p + q·newcomers] + ε·uniform.

    Attributes:
        floor: ε, the share of traffic spread evenly over the eligible arms, so that the log can be evaluated
            for any policy. [0, 1)
        burn_in: An arm chosen less often than this is a newcomer. 0 switches burn-in off.
        burn_in_share: q, the share of traffic spread evenly over newcomers while there are any: a burn-in costs
            at most this share, however bad the newcomer is. [0, 1)
    """

    floor: float = 0.02
    burn_in: int = 5
    burn_in_share: float = 0.2

    def __post_init__(self) -> None:
        require_share("floor", self.floor)
        require_share("burn_in_share", self.burn_in_share)
        require_count("burn_in", self.burn_in)

    def mix(self, probabilities: FloatArray, situation: Situation) -> FloatArray:
        """The probabilities after burn-in and floor; shape (arms,)."""
        eligible = situation.eligible
        if self.burn_in:
            newcomers = eligible & (situation.plays < self.burn_in)
            count = np.count_nonzero(newcomers)
            if count:
                probabilities = (1 - self.burn_in_share) * probabilities + newcomers * (self.burn_in_share / count)
        if self.floor:
            probabilities = (1 - self.floor) * probabilities + eligible * (self.floor / np.count_nonzero(eligible))
        return probabilities


STANDARD_EXPLORATION = Exploration()
