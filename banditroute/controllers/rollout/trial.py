"""A/B test: mixes router and incumbent in known shares, and measures the lift."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from banditroute.controllers.base import Choice, Predict
from banditroute.controllers.pending import PendingOutcomes
from banditroute.controllers.rollout.incumbent import Incumbent, checked_incumbent, incumbent_choice
from banditroute.controllers.rollout.lift import Lift, lift_measures
from banditroute.core.arrays import FloatArray
from banditroute.core.log import DecisionRecord, FeedbackRecord
from banditroute.core.request import Request
from banditroute.core.situation import Situation
from banditroute.core.validation import require_name, require_number

QUALITY: Mapping[str, tuple[float, float]] = {"quality": (0.0, 1.0)}


class Sides(NamedTuple):
    """Probabilities of both sides for one request, shape (arms,), and the share of the incumbent.

    ``mean`` identifies the request: an outer controller may answer without asking this one.
    """

    mean: FloatArray
    policy: FloatArray
    incumbent: FloatArray
    share: float


class ABTest(ABC):
    """Mixes the incumbent's choice into the router's, and measures the lift.

    Args:
        incumbent: The incumbent: an arm's name, a policy, or None for the arm that the caller names in each
            request. If it is unknown or not eligible, the router decides and nothing is measured.
        least: The smaller of the two shares. (0, 1)
        measures: Objective → bounds, for each measured lift.
        confidence: Confidence of the bounds of each measure. (0, 1)
        name: Name of this controller, unique in the router.
    """

    def __init__(
        self,
        incumbent: Incumbent,
        *,
        least: float,
        measures: Mapping[str, tuple[float, float]],
        confidence: float,
        name: str,
    ) -> None:
        self.incumbent = checked_incumbent(incumbent)
        self.name = require_name("name", name)
        confidence = require_number("confidence", confidence, above=0, below=1)
        self._largest = 1.0 / least
        self._measures = lift_measures(measures, largest=self._largest, confidence=confidence)
        self._weights: PendingOutcomes[tuple[float]] = PendingOutcomes()
        self._last: Sides | None = None

    @abstractmethod
    def share(self, request: Request) -> float:
        """Return the incumbent's share of this request. [0, 1]."""

    def lift(self) -> dict[str, Lift]:
        """Return the current lift of the router over the incumbent, by objective."""
        return {objective: measure.report() for objective, measure in self._measures.items()}

    def report(self) -> Mapping[str, Any]:
        """Return the lift of every measure, for ``Router.health``; without bounds before the first report."""
        lifts = {}
        for objective, lift in self.lift().items():
            bounds = {"low": lift.low, "high": lift.high} if lift.reports else {}
            lifts[objective] = {"mean": lift.mean, **bounds, "reports": lift.reports}
        return {"lift": lifts}

    def control(self, situation: Situation, choice: Choice) -> FloatArray:
        """Return both choices, mixed."""
        policy, acts = choice(situation), incumbent_choice(self.incumbent, situation)
        if acts is None:
            self._last = None
            return policy
        share = self.share(situation.request)
        self._last = Sides(situation.mean, policy, acts, share)
        return (1.0 - share) * policy + share * acts

    def effects(self, situation: Situation) -> Mapping[str, Any]:
        """Return the incumbent's share, and the choices of both sides."""
        if self._last is None or self._last.mean is not situation.mean:
            return {"incumbent_share": 0.0}
        return {
            "incumbent_share": self._last.share,
            "policy": _chances(situation.arms, self._last.policy),
            "incumbent": _chances(situation.arms, self._last.incumbent),
        }

    def decided(self, record: DecisionRecord, predict: Predict) -> None:
        """Store the weight with which the outcome will count."""
        facts = record.effects.get(self.name, {})
        if "policy" in facts:
            weight = self._weight(record, facts)
            self._weights.put(record.decision_key, (float(np.clip(weight, -self._largest, self._largest)),))

    def learned(self, record: FeedbackRecord) -> None:
        """Add the outcome to every measure that it reports."""
        note = self._weights.get(record.decision_key)
        if note is not None:
            for measure in self._measures.values():
                measure.learn(record, note[0])

    def _weight(self, record: DecisionRecord, facts: Mapping[str, Any]) -> float:
        """Return (p − h) / π of the chosen arm."""
        chance = record.probabilities[record.arms.index(record.arm)]
        return float((facts["policy"].get(record.arm, 0.0) - facts["incumbent"].get(record.arm, 0.0)) / chance)

    def state(self) -> Mapping[str, Any]:
        """Return the weights of recent requests, and the state of every measure."""
        measures = {objective: measure.state() for objective, measure in self._measures.items()}
        return {"weights": self._weights.state(), "measures": measures}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from the result of :meth:`state`."""
        self._weights.restore(state["weights"])
        for objective, measure in self._measures.items():
            measure.restore(state["measures"][objective])


def _chances(arms: tuple[str, ...], probabilities: FloatArray) -> dict[str, float]:
    return {arm: chance for arm, chance in zip(arms, probabilities.tolist(), strict=True) if chance}
