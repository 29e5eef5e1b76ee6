"""Shadow mode: decide and log, but let the incumbent act."""

from collections.abc import Mapping
from typing import Any

from banditroute.controllers.base import Choice, Predict
from banditroute.controllers.rollout.incumbent import Incumbent, checked_incumbent, incumbent_choice
from banditroute.core.arrays import FloatArray
from banditroute.core.log import DecisionRecord, FeedbackRecord
from banditroute.core.situation import Situation
from banditroute.core.validation import require_name


class Shadow:
    """The router watches: every decision is the incumbent's, and what it would have done itself is on the record.

    Outcomes are learned as ever, so that nothing has to be learned again when the shadow is taken away, or when
    another controller takes its place. Of arms that the incumbent never chooses nothing is learned; for that
    see :class:`~banditroute.controllers.Apprentice`. It belongs outermost in the list.

    A request for which the incumbent is not known, or may not serve, is decided as without this controller.

    Args:
        incumbent: The arm that always served; or a policy; or None: the arm that the caller names, request by
            request: ``route(x, incumbent=…)``.
        name: Its name among a router's controllers.
    """

    def __init__(self, incumbent: Incumbent = None, *, name: str = "shadow") -> None:
        self.incumbent = checked_incumbent(incumbent)
        self.name = require_name("name", name)
        self.requests, self.agreed = 0, 0.0
        # Predictions and what would be done: a controller further out may answer without asking this one.
        self._last: tuple[FloatArray, FloatArray] | None = None

    @property
    def agreement(self) -> float:
        """Chance of the router to choose the arm that served, on average over all requests; 0 at first."""
        return self.agreed / self.requests if self.requests else 0.0

    def report(self) -> Mapping[str, Any]:
        """The agreement, for ``Router.health``."""
        return {"agreement": self.agreement, "requests": self.requests}

    def control(self, situation: Situation, choice: Choice) -> FloatArray:
        """Return the incumbent's choice."""
        would, acts = choice(situation), incumbent_choice(self.incumbent, situation)
        self._last = None if acts is None else (situation.mean, would)
        return would if acts is None else acts

    def effects(self, situation: Situation) -> Mapping[str, Any]:
        """With which probabilities the router would have chosen, and how far both agreed up to now."""
        if self._last is None or self._last[0] is not situation.mean:
            return {"agreement": self.agreement}
        would = dict(zip(situation.arms, self._last[1].tolist(), strict=True))
        return {"would": would, "agreement": self.agreement, "mode": "shadow"}

    def decided(self, record: DecisionRecord, predict: Predict) -> None:
        """Count how likely the router would have done the same."""
        would = record.effects.get(self.name, {}).get("would")
        if would is not None:
            self.requests += 1
            self.agreed += would[record.arm]

    def learned(self, record: FeedbackRecord) -> None:
        """Do nothing: outcomes do not matter here."""

    def state(self) -> Mapping[str, Any]:
        """How often both were compared, and how often they agreed."""
        return {"requests": self.requests, "agreed": self.agreed}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from what :meth:`state` gave."""
        self.requests, self.agreed = state["requests"], state["agreed"]
