"""A policy that chooses all eligible arms with equal probability."""

from dataclasses import dataclass

import numpy as np

from banditroute.core.arrays import FloatArray
from banditroute.core.situation import Situation


@dataclass(frozen=True, slots=True)
class Uniform:
    """Chooses every eligible arm with the same probability: the best log for evaluation, at the highest cost."""

    def probabilities(self, situation: Situation) -> FloatArray:
        """Return 1 / (number of eligible arms) for each eligible arm; shape (arms,)."""
        return situation.eligible / np.count_nonzero(situation.eligible)
