"""The situation: everything that a policy sees of one request."""

from collections.abc import Callable
from dataclasses import dataclass

from banditroute.core.arrays import BoolArray, FloatArray, IntArray, RowArray
from banditroute.core.objectives import Objectives
from banditroute.core.prediction import Prediction
from banditroute.core.request import Request


# Not frozen, which would treble the time to make one.
@dataclass(slots=True, eq=False)
class Situation:
    """The arms and their predictions, for one request.

    Attributes:
        arms: All arms of the router; every array below follows their order.
        eligible: Which of them may be chosen; at least one. Shape (arms,).
        prediction: What is expected of them. :attr:`width` reads all of it; a policy that needs to know only some
            widths exactly may ask for those.
        weights: The preferences, negative where less is better. Shape (objectives,).
        plays: How often each arm was chosen before. Shape (arms,).
        objectives: What the columns of ``mean`` and ``width`` are, with their bounds.
        request: On which terms it came.
        penalty: What controllers subtract from the utility of each arm, in its units. Shape (arms,);
            None for nothing.
        price_factors: Price of each arm now, relative to the price at which its dollars are learned. Shape
            (arms,); None while no price moved.
        row: The context on the grid, with its intercept; shape (d,). None where it is not known.
        count_outcomes: Returns how many outcomes of each arm are known, of the weighted objectives of which the
            fewest are; shape (arms,). None where they are not counted.
    """

    arms: tuple[str, ...]
    eligible: BoolArray
    prediction: Prediction
    weights: FloatArray
    plays: IntArray
    objectives: Objectives
    request: Request
    penalty: FloatArray | None = None
    price_factors: FloatArray | None = None
    row: RowArray | None = None
    count_outcomes: Callable[[], IntArray] | None = None

    @property
    def mean(self) -> FloatArray:
        """Expected outcome, scaled to the objectives' bounds; shape (arms, objectives)."""
        return self.prediction.mean

    @property
    def width(self) -> FloatArray:
        """One standard width of that mean, in units of the noise; shape (arms, objectives)."""
        return self.prediction.width

    def utility(self) -> FloatArray:
        """Expected utility Σ_j w_j μ_j, less the penalty; shape (arms,)."""
        utility: FloatArray = self.prediction.mean.dot(self.weights)
        return utility if self.penalty is None else utility - self.penalty

    def priced(self, penalty: FloatArray) -> "Situation":
        """Return the same situation with more subtracted; shape (arms,)."""
        total = penalty if self.penalty is None else self.penalty + penalty
        return Situation(
            self.arms,
            self.eligible,
            self.prediction,
            self.weights,
            self.plays,
            self.objectives,
            self.request,
            total,
            self.price_factors,
            self.row,
            self.count_outcomes,
        )

    def narrowed(self, eligible: BoolArray) -> "Situation":
        """Return the same situation with these arms alone eligible; shape (arms,), at least one."""
        return Situation(
            self.arms,
            eligible,
            self.prediction,
            self.weights,
            self.plays,
            self.objectives,
            self.request,
            self.penalty,
            self.price_factors,
            self.row,
            self.count_outcomes,
        )

    def utility_width(self) -> FloatArray:
        """Σ_j |w_j| s_j, a width that holds for weights chosen after seeing results too; shape (arms,)."""
        self.prediction.compute_all()
        return self.prediction.weighted(abs(self.weights))
