"""Shadow mode: logs the router's choice, and lets the incumbent decide."""

from collections.abc import Mapping
from typing import Any

from banditroute.controllers.base import Choice, Predict
from banditroute.controllers.rollout.incumbent import Incumbent, checked_incumbent, incumbent_choice
from banditroute.core.arrays import FloatArray
from banditroute.core.log import DecisionRecord, FeedbackRecord
from banditroute.core.situation import Situation
from banditroute.core.validation import require_name


class Shadow:
    """Lets the incumbent make every decision, and logs the probabilities that the router would have used.

    Outcomes are learned as usual, so learned data stays valid when this controller is removed or replaced. Arms
    that the incumbent never chooses are not learned; see :class:`~banditroute.controllers.Apprentice` for that.
    Put it outermost in the list of controllers.

    A request whose incumbent is unknown or not eligible is decided as without this controller.

    Args:
        incumbent: The incumbent: an arm's name, a policy, or None for the arm that the caller names in each
            request, ``route(x, incumbent=…)``.
        name: Name of this controller, unique in the router.
    """

    def __init__(self, incumbent: Incumbent = None, *, name: str = "shadow") -> None:
        self.incumbent = checked_incumbent(incumbent)
        self.name = require_name("name", name)
        self.requests, self.agreed = 0, 0.0
        # The means identify the request: an outer controller may answer without asking this one.
        self._last: tuple[FloatArray, FloatArray] | None = None

    @property
    def agreement(self) -> float:
        """Mean probability of the router for the arm that served; 0 before the first request."""
        return self.agreed / self.requests if self.requests else 0.0

    def report(self) -> Mapping[str, Any]:
        """Return the agreement, for ``Router.health``."""
        return {"agreement": self.agreement, "requests": self.requests}

    def control(self, situation: Situation, choice: Choice) -> FloatArray:
        """Return the incumbent's choice."""
        would, acts = choice(situation), incumbent_choice(self.incumbent, situation)
        self._last = None if acts is None else (situation.mean, would)
        return would if acts is None else acts

    def effects(self, situation: Situation) -> Mapping[str, Any]:
        """Return the probabilities that the router would have used, and the agreement so far."""
        if self._last is None or self._last[0] is not situation.mean:
            return {"agreement": self.agreement}
        would = dict(zip(situation.arms, self._last[1].tolist(), strict=True))
        return {"would": would, "agreement": self.agreement, "mode": "shadow"}

    def decided(self, record: DecisionRecord, predict: Predict) -> None:
        """Add the router's probability for the arm that served."""
        would = record.effects.get(self.name, {}).get("would")
        if would is not None:
            self.requests += 1
            self.agreed += would[record.arm]

    def learned(self, record: FeedbackRecord) -> None:
        """Do nothing: outcomes do not affect this controller."""

    def state(self) -> Mapping[str, Any]:
        """Return the number of compared requests, and the sum of agreements."""
        return {"requests": self.requests, "agreed": self.agreed}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from the result of :meth:`state`."""
        self.requests, self.agreed = state["requests"], state["agreed"]
