"""A target on the average of an outcome."""

import numpy as np

from banditroute.controllers.targets.target import SLACK, STEP, Target, one_line
from banditroute.core.arrays import FloatArray
from banditroute.core.situation import Situation
from banditroute.core.validation import require_bounds
from banditroute.errors import InvalidArgumentError


class Average(Target):
    """Keeps the average of an outcome over all requests above or below a limit.

    The expected use of an arm is the router's prediction of the objective for this request. With
    :class:`~banditroute.controllers.PerCohort` around this controller, the target holds in every cohort.

    Args:
        objective: Name of the reported objective.
        at_least, at_most: The limit, in the objective's own unit; give one of the two.
        bounds: The range in whose length violations are measured; outcomes may lie outside.
        step, slack, name: See :class:`~banditroute.controllers.targets.target.Target`.
    """

    def __init__(
        self,
        objective: str,
        *,
        at_least: float | None = None,
        at_most: float | None = None,
        bounds: tuple[float, float] = (0.0, 1.0),
        step: float = STEP,
        slack: float = SLACK,
        name: str | None = None,
    ) -> None:
        line, self._more_is_bad = one_line(at_most, at_least)
        self.bounds = lo, hi = require_bounds("bounds", bounds)
        if not lo < line < hi:
            raise InvalidArgumentError(f"the line {line:g} must lie between the bounds {lo:g} and {hi:g}")
        super().__init__(
            objective,
            allowed=self.used(line),
            step=step,
            slack=slack,
            name=f"{objective} average" if name is None else name,
        )

    def used(self, outcome: float) -> float:
        """Return the distance from the better bound, in units of the range; linear beyond it."""
        lo, hi = self.bounds
        scaled = (outcome - lo) / (hi - lo)
        return scaled if self._more_is_bad else 1.0 - scaled

    def expected(self, situation: Situation) -> FloatArray:
        """Return the expected outcome of each arm, as a distance from the better bound; shape (arms,)."""
        return self._predicted_use(situation, 0.0)

    def optimistic(self, situation: Situation) -> FloatArray:
        """Return the expected outcome one width nearer to the better bound; shape (arms,)."""
        return self._predicted_use(situation, -1.0 if self._more_is_bad else 1.0)

    def _predicted_use(self, situation: Situation, widths: float) -> FloatArray:
        if self.objective not in situation.objectives.names:
            return np.full(len(situation.arms), self.allowed)
        position = situation.objectives.position(self.objective)
        objective = situation.objectives[position]
        scaled = situation.mean[:, position] + widths * situation.width[:, position]
        lo, hi = self.bounds
        used: FloatArray = (objective.bounds[0] + objective.span * scaled - lo) / (hi - lo)
        return used if self._more_is_bad else 1.0 - used
