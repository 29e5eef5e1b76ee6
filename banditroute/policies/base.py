"""The policy protocol: belief in, probabilities out."""

from typing import Protocol

from banditroute.core.arrays import FloatArray
from banditroute.core.situation import Situation


class Policy(Protocol):
    """Maps a situation to a probability for each arm.

    A policy is a frozen value without state and without randomness: the router draws, once, and logs the
    probabilities, so that any policy can later be judged from the log.
    """

    @property
    def ridge(self) -> float:
        """The ridge λ > 0 of the posterior that this policy wants to see."""
        ...

    def probabilities(self, situation: Situation) -> FloatArray:
        """Probability of each arm, shape (arms,): ≥ 0, 0 where not eligible, summing to 1.

        The same situation gives the same bits, and permuting its arms permutes them.
        """
        ...
