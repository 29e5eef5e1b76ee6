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

    By default every request is decided by a mixture of both choices with exact logged propensities, and every
    outcome contributes to the estimates of both sides. With ``by="session"`` whole sessions (or keys, for requests
    without a session) are held out by a reproducible hash: a conversation stays on one side, and the propensities
    are those of its side. The interval of the lift treats requests as independent units, so it is too narrow for
    long sessions.

    :meth:`lift` may be read at any time: its bounds hold at all times at once. Put this controller outermost:
    inner controllers then do not constrain the incumbent's choice, but receive its decisions.

    Args:
        share: Share of the traffic that the incumbent decides. (0, 0.5]
        incumbent: The incumbent: an arm's name, a policy, or None for the arm that the caller names in each
            request, ``route(x, incumbent=…)``.
        by: Unit that is held out: ``"request"`` or ``"session"``.
        measures: Objective → bounds, for each measured lift.
        confidence: Confidence of each pair of bounds. (0, 1)
        name: Name of this controller, unique in the router.
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
        share = require_number("share", share, above=0, most=0.5)
        require_one_of("by", by, ("request", "session"))
        super().__init__(incumbent, least=share, measures=measures, confidence=confidence, name=name)
        self._held = float(share)
        self.by = by

    def is_held(self, unit: str) -> bool:
        """Return whether this session or key is held out, with ``by="session"``."""
        return uniform(0, f"{self.name}\n{unit}".encode()) < self._held

    def share(self, request: Request) -> float:
        """Return the incumbent's share of this request; 0 or 1 with whole sessions."""
        unit = self._unit(request)
        return self._held if unit is None else float(self.is_held(unit))

    def effects(self, situation: Situation) -> Mapping[str, Any]:
        """Return the share, both choices, and the side of a whole session."""
        facts = super().effects(situation)
        if "policy" not in facts or self._unit(situation.request) is None:
            return facts
        side = "incumbent" if facts["incumbent_share"] else "policy"
        return {**facts, "side": side}

    def _weight(self, record: DecisionRecord, facts: Mapping[str, Any]) -> float:
        """Return the weight of the arm; for a whole session the weight of its side, 1/(1 − s) or −1/s."""
        if "side" not in facts:
            return super()._weight(record, facts)
        return -1.0 / self._held if facts["side"] == "incumbent" else 1.0 / (1.0 - self._held)

    def _unit(self, request: Request) -> str | None:
        if self.by == "request":
            return None
        return request.session if request.session is not None else request.draw_key
