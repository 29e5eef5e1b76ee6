"""The lift of the router over the incumbent, measured while both serve."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from banditroute.controllers.pending import PendingOutcomes
from banditroute.core.log import FeedbackRecord
from banditroute.core.validation import require_bounds, require_name
from banditroute.errors import InvalidArgumentError
from banditroute.learning.confidence import ConfidenceSequence


@dataclass(frozen=True, slots=True)
class Lift:
    """How much more of an objective the router yields than the incumbent, per request, in its own unit.

    Attributes:
        objective: Of which.
        mean: The estimate; 0 before the first report.
        low, high: Between which it lies, at all times at once; infinite before the first report.
        reports: How many outcomes it rests on.
    """

    objective: str
    mean: float
    low: float
    high: float
    reports: int


class LiftMeasure:
    """The lift of one objective: a running mean of (p(a) − h(a)) / π(a) · (y − c) over what is reported.

    p and h are the probabilities of the router and of the incumbent, π those of the mixture from which the arm
    was drawn, and c the mean outcome before: any c that is fixed before the draw leaves the estimate without
    bias, and this one takes away most of its variance. Where both do the same, a report adds nothing. Values
    that are taken back are kept until others come.

    Args:
        objective: What is reported.
        bounds: Outcomes beyond them count as if they lay on them.
        largest: Of the absolute weight (p − h) / π; larger ones are cut there. ≥ 1
        confidence: Of the bounds. (0, 1)
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
        """Take a first report in, or put another in its place."""
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
        """All sums."""
        return {
            "terms": self._terms.state(),
            "outcomes": self._outcomes.state(),
            "recent": self._memory.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from what :meth:`state` gave."""
        self._terms.restore(state["terms"])
        self._outcomes.restore(state["outcomes"])
        self._memory.restore(state["recent"])


def lift_measures(
    measures: Mapping[str, tuple[float, float]], *, largest: float, confidence: float
) -> dict[str, LiftMeasure]:
    """One for each objective; raises InvalidArgumentError where there is none, or bounds are none."""
    if not isinstance(measures, Mapping) or not measures:
        raise InvalidArgumentError(f"measures = {measures!r:.60} must map one or more objectives to their bounds")
    return {
        require_name("objective", objective): LiftMeasure(
            objective,
            bounds=require_bounds(f"bounds of {objective}", bounds),
            largest=largest,
            confidence=confidence,
        )
        for objective, bounds in measures.items()
    }
