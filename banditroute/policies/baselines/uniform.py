"""A policy that chooses all eligible arms with equal probability."""

from dataclasses import dataclass

import numpy as np

from banditroute.core.arrays import FloatArray
from banditroute.core.situation import Situation


@dataclass(frozen=True, slots=True)
class Uniform:
    """Every eligible arm with the same probability: the cleanest log there is, at the highest price."""

    def probabilities(self, situation: Situation) -> FloatArray:
        """1 / number of eligible arms; shape (arms,)."""
        return situation.eligible / np.count_nonzero(situation.eligible)
