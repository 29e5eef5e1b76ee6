"""Holdout: a permanent share of traffic for the incumbent, to measure the router's lift."""

from collections.abc import Mapping
from typing import Any, Literal

from banditroute.controllers.rollout.incumbent import Incumbent
from banditroute.controllers.rollout.trial import QUALITY, ABTest
from banditroute.core.ids import uniform
from banditroute.core.log import DecisionRecord
from banditroute.core.request import Request
from banditroute.core.situation import Situation
from banditroute.core.validation import require_number, require_one_of


class Holdout(ABTest):
    """Leaves a share of the traffic to the incumbent permanently, and reports the lift at any time.

    By default every request is a mixture of both choices, whose exact propensities are logged, and every
    outcome says something of both sides. With ``by="session"`` whole sessions (without one, keys) are held out,
    by a hash that anybody can repeat: a conversation stays on one side, and the propensities are those of its
    side. The lift's interval takes requests for its units, so with long sessions it is too narrow.

    Read :meth:`lift` as often as you like: its bounds hold at all times at once. It belongs outermost; what the
    incumbent does is then not constrained by the controllers within, but is seen by them.

    Args:
        share: Of the traffic that the incumbent decides. (0, 0.5]
        incumbent: The arm that always served; or a policy; or None: the arm that the caller names, request by
            request: ``route(x, incumbent=…)``.
        by: What is held out: ``"request"`` or ``"session"``.
        measures: Objective → bounds, of what lift is measured.
        confidence: Of each pair of bounds. (0, 1)
        name: Its name among a router's controllers.
    """

    def __init__(
        self,
        share: float = 0.05,
        *,
        incumbent: Incumbent = None,
        by: Literal["request", "session"] = "request",
        measures: Mapping[str, tuple[float, float]] = QUALITY,
        confidence: float = 0.95,
        name: str = "holdout",
    ) -> None:
        require_number("share", share, above=0, most=0.5)
        require_one_of("by", by, ("request", "session"))
        super().__init__(incumbent, least=share, measures=measures, confidence=confidence, name=name)
        self._held = float(share)
        self.by = by

    def is_held(self, unit: str) -> bool:
        """Whether the session, or the key, of that name is held out where sessions are."""
        return uniform(0, f"{self.name}\n{unit}".encode()) < self._held

    def share(self, request: Request) -> float:
        """The share; with whole sessions, all or nothing."""
        unit = self._unit(request)
        return self._held if unit is None else float(self.is_held(unit))

    def effects(self, situation: Situation) -> Mapping[str, Any]:
        """The share, what both would have done, and on which side a whole session is."""
        facts = super().effects(situation)
        if "policy" not in facts or self._unit(situation.request) is None:
            return facts
        side = "incumbent" if facts["incumbent_share"] else "policy"
        return {**facts, "side": side}

    def _weight(self, record: DecisionRecord, facts: Mapping[str, Any]) -> float:
        """Return the weight of the arm; for a whole session that of its side, 1/(1 − s) or −1/s."""
        if "side" not in facts:
            return super()._weight(record, facts)
        return -1.0 / self._held if facts["side"] == "incumbent" else 1.0 / (1.0 - self._held)

    def _unit(self, request: Request) -> str | None:
        if self.by == "request":
            return None
        return request.session if request.session is not None else request.draw_key
