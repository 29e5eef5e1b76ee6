"""A policy that always chooses one arm."""

from dataclasses import dataclass

import numpy as np

from banditroute.core.arrays import FloatArray
from banditroute.core.situation import Situation
from banditroute.core.validation import require_name
from banditroute.errors import NoEligibleArmError, UnknownArmError


@dataclass(frozen=True, slots=True)
class Fixed:
    """Chooses one arm for every request: the baseline that a router has to beat.

    Attributes:
        arm: Name of the arm.
    """

    arm: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "arm", require_name("arm of Fixed", self.arm))

    def probabilities(self, situation: Situation) -> FloatArray:
        """Return 1 for the arm and 0 for all others; shape (arms,).

        Raises:
            UnknownArmError: if the router has no such arm.
            NoEligibleArmError: if the arm is not eligible for this request.
        """
        if self.arm not in situation.arms:
            raise UnknownArmError(
                f"unknown arm {self.arm!r} in policy Fixed; this router has: {_names(situation)}"
            )
        index = situation.arms.index(self.arm)
        if not situation.eligible[index]:
            raise NoEligibleArmError(
                f"policy Fixed wants arm {self.arm!r}, which is not eligible for this request"
            )
        result = np.zeros(len(situation.arms))
        result[index] = 1.0
        return result


def _names(situation: Situation) -> str:
    return ", ".join(sorted(situation.arms))
