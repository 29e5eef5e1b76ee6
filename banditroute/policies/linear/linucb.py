"""LinUCB: the arm with the highest upper confidence bound."""

from dataclasses import dataclass

import numpy as np

from banditroute.core.arrays import FloatArray
from banditroute.core.situation import Situation
from banditroute.core.validation import require_type, set_number
from banditroute.policies.base import LEAST_RIDGE, MOST_RIDGE
from banditroute.policies.exploration import STANDARD_EXPLORATION, Exploration, greedy, tie_tolerance


@dataclass(frozen=True, slots=True, kw_only=True)
class LinUCB:
    """Upper confidence bounds on a linear model per arm: argmax_a Σ_j w_j μ_aj + α Σ_j |w_j| s_aj.

    μ is the ridge prediction, and its standard width is s = σ̂_j·‖x‖ in the norm of V_a⁻¹. Since widths are in
    units of the noise σ̂, which is estimated from the exact sums, one ``alpha`` serves a judge's score (σ ≈ .1)
    and a pass/fail check (σ ≈ .4) alike. The sum over objectives makes the width hold for preferences that are
    chosen after seeing results, where a width for one fixed utility does not.

    The √T regret bounds of the literature need an ``alpha`` that grows like the root of a log-determinant;
    the default is a much smaller constant, chosen on recorded workloads. A constant floor of exploration
    has linear regret by itself: this is the price of a log that can be evaluated.

    Attributes:
        alpha: Exploration multiplier. [0, ∞)
        ridge: λ, how strongly coefficients are held at the model that is common to all arms: as strongly as by λ
            rows. The default suits embeddings; with a few strong features and little noise, λ = 1
            distinguishes arms sooner. [1e-3, 1e9]
        exploration: Burn-in of new arms, and the share of traffic that is always spread over all arms.

    References:
        Li, Chu, Langford & Schapire, "A contextual-bandit approach to personalized news article
        recommendation", WWW 2010, algorithm 1 (disjoint models).
    """

    alpha: float = 1.5
    ridge: float = 32.0
    exploration: Exploration = STANDARD_EXPLORATION

    def __post_init__(self) -> None:
        set_number(self, "alpha", least=0)
        set_number(self, "ridge", least=LEAST_RIDGE, most=MOST_RIDGE)
        require_type("exploration", self.exploration, Exploration)

    def score(self, situation: Situation) -> FloatArray:
        """Return the upper confidence bound of each arm's utility; shape (arms,).

        Where widths are computed on demand, only those of the contenders are computed: first the eligible arm
        with the highest score by the bound on all widths, then each arm whose score by that bound still reaches
        the first arm's exact score, or ties with it. No other arm can win; its score keeps the bound in place of
        the width, which is still an upper confidence bound.
        """
        prediction, utility, weights = situation.prediction, situation.utility(), abs(situation.weights)
        score: FloatArray = utility + self.alpha * prediction.weighted(weights)
        if prediction.is_exact:
            return score
        upper = np.where(situation.eligible, score, -np.inf)
        first = int(upper.argmax())
        prediction.compute_widths([first])
        score = utility + self.alpha * prediction.weighted(weights)
        contenders = np.flatnonzero(upper >= score[first] - tie_tolerance(situation))
        if len(contenders) > 1:
            prediction.compute_widths(contenders.tolist())
            score = utility + self.alpha * prediction.weighted(weights)
        return score

    def probabilities(self, situation: Situation) -> FloatArray:
        """Put all probability on the highest score, then apply burn-in and floor; shape (arms,)."""
        chooses_from = self.exploration.without_waiting(situation)
        return self.exploration.mix(greedy(self.score(chooses_from), chooses_from), situation, chooses_from)
