"""Every arm alike."""

from dataclasses import dataclass

import numpy as np

from banditroute.core.arrays import FloatArray
from banditroute.core.situation import Situation
from banditroute.policies.checks import require_ridge


@dataclass(frozen=True, slots=True)
class Uniform:
    """Every eligible arm with the same probability: the cleanest log there is, at the highest price.

    Attributes:
        ridge: λ of the posterior behind ``expected``; it does not matter to the choice. [1e-3, 1e9]
    """

    ridge: float = 32.0

    def __post_init__(self) -> None:
        require_ridge(self.ridge)

    def probabilities(self, situation: Situation) -> FloatArray:
        """1 / number of eligible arms; shape (arms,)."""
        return situation.eligible / np.count_nonzero(situation.eligible)
