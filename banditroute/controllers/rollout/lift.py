"""Measures the lift of the router over the incumbent while both serve."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from banditroute.controllers.pending import PendingOutcomes
from banditroute.core.log import FeedbackRecord
from banditroute.core.shown import shown
from banditroute.core.validation import require_bounds, require_name
from banditroute.errors import InvalidArgumentError
from banditroute.learning.confidence import ConfidenceSequence


@dataclass(frozen=True, slots=True)
class Lift:
    """The difference in one objective between router and incumbent, per request, in the objective's unit.

    Attributes:
        objective: Name of the objective.
        mean: The estimate; 0 before the first report.
        low, high: Its bounds, valid at all times at once; infinite before the first report.
        reports: Number of outcomes in the estimate.
    """

    objective: str
    mean: float
    low: float
    high: float
    reports: int


class LiftMeasure:
    """The lift of one objective: a running mean of (p(a) − h(a)) / π(a) · (y − c) over reported outcomes.

    p and h are the probabilities of the router and of the incumbent, π those of the mixture from which the arm
    was drawn, and c is the mean outcome so far: any c that is fixed before the draw keeps the estimate unbiased,
    and this one removes most of its variance. Where both choices are equal, a report adds 0. Retracted values are
    kept until new values are reported.

    Args:
        objective: Name of the reported objective.
        bounds: Outcomes outside these bounds are clipped to them.
        largest: Largest absolute weight (p − h) / π; larger weights are clipped. ≥ 1
        confidence: Confidence of the bounds. (0, 1)
    """

    def __init__(self, objective: str, *, bounds: tuple[float, float], largest: float, confidence: float) -> None:
        self.objective = objective
        self.bounds = bounds
        span = bounds[1] - bounds[0]
        self._terms = ConfidenceSequence(scale=largest * span, confidence=confidence)
        self._outcomes = ConfidenceSequence()
        self._memory: PendingOutcomes[tuple[float, float, float]] = PendingOutcomes()

    def report(self) -> Lift:
        """Return the current estimate."""
        mean, half = self._terms.mean, self._terms.half_width
        return Lift(self.objective, mean, mean - half, mean + half, self._terms.count)

    def learn(self, record: FeedbackRecord, weight: float) -> None:
        """Add a first report, or replace an earlier one."""
        if self.objective not in record.outcomes:
            return
        lo, hi = self.bounds
        value = min(max(record.outcomes[self.objective], lo), hi)
        note = self._memory.get(record.decision_key)
        if note is None:
            guess = self._outcomes.mean if self._outcomes.count else (lo + hi) / 2
            self._terms.add(weight * (value - guess))
            self._outcomes.add(value)
        else:
            _, guess, previous = note
            self._terms.amend(weight * (previous - guess), weight * (value - guess))
            self._outcomes.amend(previous, value)
        self._memory.put(record.decision_key, (weight, guess, value))

    def state(self) -> Mapping[str, Any]:
        """Return all sums."""
        return {
            "terms": self._terms.state(),
            "outcomes": self._outcomes.state(),
            "recent": self._memory.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from the result of :meth:`state`."""
        self._terms.restore(state["terms"])
        self._outcomes.restore(state["outcomes"])
        self._memory.restore(state["recent"])


def lift_measures(
    measures: Mapping[str, tuple[float, float]], *, largest: float, confidence: float
) -> dict[str, LiftMeasure]:
    """Return one measure per objective; raises InvalidArgumentError without objectives or for invalid bounds."""
    if not isinstance(measures, Mapping) or not measures:
        raise InvalidArgumentError(f"measures = {shown(measures)} must map one or more objectives to their bounds")
    return {
        require_name("objective", objective): LiftMeasure(
            objective,
            bounds=require_bounds(f"bounds of {objective}", bounds),
            largest=largest,
            confidence=confidence,
        )
        for objective, bounds in measures.items()
    }
