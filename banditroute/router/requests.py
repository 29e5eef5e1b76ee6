"""The terms on which a request is served: the router's standing preferences, and what the caller asks for."""

from collections.abc import Collection

from banditroute.core.arrays import as_real
from banditroute.core.log import PreferencesRecord
from banditroute.core.objectives import Objectives, Preferences
from banditroute.core.request import Request
from banditroute.errors import InvalidArgumentError
from banditroute.router.state import ArmCatalogue

MAX_TEXT = 1000


class RequestBuilder:
    """Turns what a caller asks for into a checked request.

    Attributes:
        standing: The preferences of all requests that bring none of their own.
    """

    def __init__(self, objectives: Objectives, roster: ArmCatalogue, standing: PreferencesRecord) -> None:
        self._objectives = objectives
        self._roster = roster
        self.stand(standing)

    def stand(self, record: PreferencesRecord) -> None:
        """Change the standing preferences."""
        self._weights = self._objectives.weights(record.preferences)
        self.standing = record

    def changed(self, preferences: Preferences, *, now_us: int) -> PreferencesRecord:
        """The record of a change of the standing preferences; raises as :meth:`Objectives.weights` does."""
        return PreferencesRecord(self.standing.version + 1, self._objectives.plain(preferences), now_us)

    def request(
        self,
        allowed: Collection[str] | None,
        preferences: Preferences | None,
        prompt_tokens: float | None,
        max_cost_usd: float | None,
        key: str | None,
        *,
        session: str | None = None,
        incumbent: str | None = None,
        cohort: str | None = None,
        now_us: int,
    ) -> Request:
        """Check everything, and that an arm is left.

        Raises:
            InvalidArgumentError: for a term that breaks its rule.
            UnknownArmError: if ``allowed`` names one.
            NoEligibleArmError: if no arm is left.
        """
        _check_limit("prompt_tokens", prompt_tokens)
        _check_limit("max_cost_usd", max_cost_usd)
        for name, text in {"key": key, "session": session, "cohort": cohort}.items():
            check_text(name, text)
        if incumbent is not None:
            self._roster.position(incumbent)
        excluded = self._roster.excluded(allowed)
        self._roster.eligible(excluded)
        return Request(
            preferences=self.standing.preferences if preferences is None else self._objectives.plain(preferences),
            weights=self._weights if preferences is None else self._objectives.weights(preferences),
            excluded=excluded,
            prompt_tokens=prompt_tokens,
            max_cost_usd=max_cost_usd,
            key=key,
            now_us=now_us,
            session=session,
            incumbent=incumbent,
            cohort=cohort,
        )


def check_text(name: str, text: object, *, longest: int = MAX_TEXT) -> None:
    """Refuse what is neither None nor a short printable string.

    Raises:
        InvalidArgumentError: then.
    """
    if text is not None and not (isinstance(text, str) and text.isprintable() and len(text) <= longest):
        # Any of them may have been made of a prompt or a person: it is not repeated.
        raise InvalidArgumentError(f"{name} must be a string of at most {longest} printable characters")


def _check_limit(name: str, limit: object) -> None:
    if limit is None:
        return
    number = None if isinstance(limit, bool) or not isinstance(limit, int | float) else as_real(limit)
    if number is None or not number >= 0:
        raise InvalidArgumentError(f"{name} = {limit!r:.40} must be a number, at least 0")
