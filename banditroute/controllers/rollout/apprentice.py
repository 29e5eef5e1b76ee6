"""Apprentice: follows the incumbent until the router is shown to agree or to be better."""

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
    """Lets the incumbent decide all but a share of the traffic until agreement or lift is shown, then the router.

    Agreement is shown if the router would decide like the incumbent on average over all requests so far (lower
    bound of the overlap Σ_a min(p_a, h_a) ≥ ``agreement``). Lift is shown if the router does better (lower bound
    of the lift of the first measure > ``margin``). Both bounds hold at all times at once, so they are checked
    after every request. Promotion changes only who decides; learned data is kept. Put it outermost in the list of
    controllers.

    Args:
        incumbent: The incumbent: an arm's name, a policy, or None for the arm that the caller names in each
            request, ``route(x, incumbent=…)``.
        share: Share of the traffic that the router decides from the start, which measures the lift. (0, 0.5]
        agreement: Overlap at which the router is promoted. (0, 1)
        margin: Lift above which it is promoted, in the first measure's unit; below 0 for a non-inferiority test.
        measures: Objective → bounds, for each measured lift; the first one counts for promotion and must be
            maximised.
        confidence: Confidence of each pair of bounds. (0, 1)
        name: Name of this controller, unique in the router.
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
        share = require_number("share", share, above=0, most=0.5)
        super().__init__(incumbent, least=share, measures=measures, confidence=confidence, name=name)
        self._own = float(share)
        self.least_agreement = require_number("agreement", agreement, above=0, below=1)
        self.margin = require_number("margin", margin)
        self._overlap = ConfidenceSequence(confidence=confidence)
        self._promoted = False

    @property
    def promoted(self) -> bool:
        """Whether the router decides without the incumbent."""
        return self._promoted

    @property
    def agreement(self) -> float:
        """Mean overlap of both choices; 0 before the first request."""
        return self._overlap.mean

    def report(self) -> Mapping[str, Any]:
        """Return agreement, lift, and whether the router is promoted, for ``Router.health``."""
        return {**super().report(), "agreement": self.agreement, "promoted": self._promoted}

    def share(self, request: Request) -> float:
        """Return the incumbent's share: all but the router's own share, and 0 after promotion."""
        return 0.0 if self._promoted else 1.0 - self._own

    def control(self, situation: Situation, choice: Choice) -> FloatArray:
        """Return both choices, mixed; after promotion only the router's."""
        return choice(situation) if self._promoted else super().control(situation, choice)

    def effects(self, situation: Situation) -> Mapping[str, Any]:
        """Return the agreement and, until promotion, the mode ``"apprentice"`` and both choices."""
        if self._promoted:
            return {"promoted": True}
        facts = {**super().effects(situation), "promoted": False, "agreement": self.agreement}
        return {**facts, "mode": "apprentice"} if "policy" in facts else facts

    def decided(self, record: DecisionRecord, predict: Predict) -> None:
        """Compare both choices, and check for promotion."""
        super().decided(record, predict)
        facts = record.effects.get(self.name, {})
        if "policy" in facts:
            guess = self._overlap.mean
            self._overlap.add(_overlap(facts["policy"], facts["incumbent"]), guess=guess)
            self._check_promotion()

    def learned(self, record: FeedbackRecord) -> None:
        """Measure the lift, and check for promotion."""
        super().learned(record)
        self._check_promotion()

    def _check_promotion(self) -> None:
        agreed = self._overlap.mean - self._overlap.half_width >= self.least_agreement
        first = next(iter(self._measures.values())).report()
        self._promoted = self._promoted or agreed or first.low > self.margin

    def state(self) -> Mapping[str, Any]:
        """Return the state of the test, the agreement, and whether the router is promoted."""
        return {**super().state(), "overlap": self._overlap.state(), "promoted": self._promoted}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from the result of :meth:`state`."""
        super().restore(state)
        self._overlap.restore(state["overlap"])
        self._promoted = state["promoted"]


def _overlap(policy: Mapping[str, float], incumbent: Mapping[str, float]) -> float:
    return float(np.sum([min(policy.get(arm, 0.0), chance) for arm, chance in incumbent.items()]))
