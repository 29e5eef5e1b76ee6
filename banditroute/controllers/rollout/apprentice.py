"""Apprentice: follow the incumbent until the router has proved itself."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from banditroute.controllers.base import Choice, Predict
from banditroute.controllers.rollout.incumbent import Incumbent
from banditroute.controllers.rollout.trial import QUALITY, ABTest
from banditroute.core.arrays import FloatArray
from banditroute.core.log import DecisionRecord, FeedbackRecord
from banditroute.core.request import Request
from banditroute.core.situation import Situation
from banditroute.core.validation import require_number
from banditroute.learning.confidence import ConfidenceSequence


class Apprentice(ABTest):
    """The incumbent decides all but a share of the traffic until agreement or lift is shown, then the router.

    Shown is: that the router would do what the incumbent does, on average over all requests so far (lower bound
    of the overlap Σ_a min(p_a, h_a) ≥ ``agreement``); or that it does better (lower bound of the lift of the first
    measure > ``margin``). Both bounds hold at all times at once, so it may be looked after every request. What was
    learned on the way stays: promotion changes who decides, and nothing else. It belongs outermost in the list.

    Args:
        incumbent: The arm that always served; or a policy; or None: the arm that the caller names, request by
            request: ``route(x, incumbent=…)``.
        share: Of the traffic that the router decides from the start; it is what lift is shown with. (0, 0.5]
        agreement: Overlap at which it is promoted. (0, 1)
        margin: Lift above which it is promoted, in the first measure's unit; below 0 if no harm is enough.
        measures: Objective → bounds, of what lift is measured; the first one counts for promotion, and is one
            to be maximised.
        confidence: Of each pair of bounds. (0, 1)
        name: Its name among a router's controllers.
    """

    def __init__(
        self,
        incumbent: Incumbent = None,
        *,
        share: float = 0.1,
        agreement: float = 0.95,
        margin: float = 0.0,
        measures: Mapping[str, tuple[float, float]] = QUALITY,
        confidence: float = 0.95,
        name: str = "apprentice",
    ) -> None:
        require_number("share", share, above=0, most=0.5)
        super().__init__(incumbent, least=share, measures=measures, confidence=confidence, name=name)
        self._own = float(share)
        self.least_agreement = require_number("agreement", agreement, above=0, below=1)
        self.margin = require_number("margin", margin)
        self._overlap = ConfidenceSequence(confidence=confidence)
        self._promoted = False

    @property
    def promoted(self) -> bool:
        """Whether the router decides by itself."""
        return self._promoted

    @property
    def agreement(self) -> float:
        """How far both would have done the same, on average; 0 before the first request."""
        return self._overlap.mean

    def report(self) -> Mapping[str, Any]:
        """Whether it is promoted, agreement and lift, for ``Router.health``."""
        return {**super().report(), "agreement": self.agreement, "promoted": self._promoted}

    def share(self, request: Request) -> float:
        """All but the apprentice's own, and nothing after its promotion."""
        return 0.0 if self._promoted else 1.0 - self._own

    def control(self, situation: Situation, choice: Choice) -> FloatArray:
        """Both choices, mixed; the router's alone after promotion."""
        return choice(situation) if self._promoted else super().control(situation, choice)

    def effects(self, situation: Situation) -> Mapping[str, Any]:
        """Agreement and, until promotion, the mode ``"apprentice"`` with what both would have done."""
        if self._promoted:
            return {"promoted": True}
        facts = {**super().effects(situation), "promoted": False, "agreement": self.agreement}
        return {**facts, "mode": "apprentice"} if "policy" in facts else facts

    def decided(self, record: DecisionRecord, predict: Predict) -> None:
        """Compare what both would have done, and perhaps be promoted."""
        super().decided(record, predict)
        facts = record.effects.get(self.name, {})
        if "policy" in facts:
            guess = self._overlap.mean
            self._overlap.add(_overlap(facts["policy"], facts["incumbent"]), guess=guess)
            self._judge()

    def learned(self, record: FeedbackRecord) -> None:
        """Measure the lift, and perhaps be promoted."""
        super().learned(record)
        self._judge()

    def _judge(self) -> None:
        agreed = self._overlap.mean - self._overlap.half_width >= self.least_agreement
        first = next(iter(self._measures.values())).report()
        self._promoted = self._promoted or agreed or first.low > self.margin

    def state(self) -> Mapping[str, Any]:
        """Return the state of the test, the agreement, and whether it is over."""
        return {**super().state(), "overlap": self._overlap.state(), "promoted": self._promoted}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from what :meth:`state` gave."""
        super().restore(state)
        self._overlap.restore(state["overlap"])
        self._promoted = state["promoted"]


def _overlap(policy: Mapping[str, float], incumbent: Mapping[str, float]) -> float:
    return float(np.sum([min(policy.get(arm, 0.0), chance) for arm, chance in incumbent.items()]))
