"""Builds checked requests from the caller's arguments and the current preferences."""

from collections.abc import Collection

import numpy as np

from banditroute.core.log import PreferencesRecord
from banditroute.core.numbers import as_real
from banditroute.core.objectives import Objectives, Preferences
from banditroute.core.request import Request
from banditroute.core.shown import shown
from banditroute.core.validation import require_text
from banditroute.errors import InvalidArgumentError
from banditroute.router.state.arms import ArmCatalogue

MAX_TEXT = 1000


class RequestBuilder:
    """Turns a caller's arguments into a checked request.

    Attributes:
        current: The preferences of all requests without their own.
    """

    def __init__(self, objectives: Objectives, arms: ArmCatalogue) -> None:
        self._objectives = objectives
        self._arms = arms
        self.set_preferences(PreferencesRecord(0, {objectives.names[0]: 1.0}, 0))

    def set_preferences(self, record: PreferencesRecord) -> None:
        """Change the current preferences."""
        self._weights = self._objectives.weights(record.preferences)
        self.current = record

    def build(
        self,
        *,
        now_us: int,
        allowed: Collection[str] | None = None,
        preferences: Preferences | None = None,
        prompt_tokens: float | None = None,
        max_cost_usd: float | None = None,
        key: str | None = None,
        session: str | None = None,
        incumbent: str | None = None,
        cohort: str | None = None,
    ) -> Request:
        """Check all arguments, and that an arm is eligible; for the arguments see ``Router.route``.

        Raises:
            InvalidArgumentError: for a value that breaks its rule.
            UnknownArmError: if ``allowed`` or ``incumbent`` names an unknown arm.
            NoEligibleArmError: if no arm is eligible.
        """
        if incumbent is not None:
            incumbent = self._arms.names[self._arms.position(incumbent)]
        excluded = self._arms.excluded(allowed)
        self._arms.eligible(excluded)
        return Request(
            preferences=self.current.preferences if preferences is None else self._objectives.plain(preferences),
            weights=self._weights if preferences is None else self._objectives.weights(preferences),
            excluded=excluded,
            prompt_tokens=_limit("prompt_tokens", prompt_tokens),
            max_cost_usd=_limit("max_cost_usd", max_cost_usd),
            draw_key=require_text("key", key, longest=MAX_TEXT),
            now_us=now_us,
            session=require_text("session", session, longest=MAX_TEXT),
            incumbent=incumbent,
            cohort=require_text("cohort", cohort, longest=MAX_TEXT),
        )


def _limit(name: str, limit: float | None) -> float | None:
    if limit is None:
        return None
    number = None if isinstance(limit, bool | np.bool_) else as_real(limit)
    if number is None or not number >= 0:
        raise InvalidArgumentError(f"{name} = {shown(limit, 40)} must be a number, at least 0")
    return number
