"""ε-greedy: the arm with the best expected utility, and a share of uniform choice."""

from dataclasses import dataclass

from banditroute.core.arrays import FloatArray
from banditroute.core.situation import Situation
from banditroute.core.validation import set_number
from banditroute.policies.base import LEAST_RIDGE, MOST_RIDGE
from banditroute.policies.exploration import Exploration, greedy


@dataclass(frozen=True, slots=True, kw_only=True)
class EpsilonGreedy:
    """Chooses the arm with the highest expected utility with probability 1 − ε, else any eligible arm.

    Attributes:
        epsilon: ε, the share of traffic spread over the eligible arms; see
            :attr:`~banditroute.Exploration.floor`. [0, 1)
        ridge: λ, how strongly coefficients are held at their prior mean. [1e-3, 1e9]
    """

    epsilon: float = 0.1
    ridge: float = 32.0

    def __post_init__(self) -> None:
        set_number(self, "epsilon", least=0, below=1)
        set_number(self, "ridge", least=LEAST_RIDGE, most=MOST_RIDGE)

    def probabilities(self, situation: Situation) -> FloatArray:
        """Return the greedy choice mixed with the uniform one; shape (arms,)."""
        exploration = Exploration(floor=self.epsilon, burn_in=0)
        chooses_from = exploration.without_waiting(situation)
        return exploration.mix(greedy(situation.utility(), chooses_from), situation, chooses_from)
