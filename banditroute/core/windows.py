"""Outcome windows: how long an outcome is awaited, and what is learned if it is missing."""

from dataclasses import dataclass
from typing import Literal

from banditroute.core.validation import require_number, require_one_of
from banditroute.errors import InvalidArgumentError

MOST_SECONDS = 100 * 366 * 86_400.0
"""A century; longer windows leave the range of times."""


@dataclass(frozen=True, slots=True)
class OutcomeWindow:
    """The time in which an outcome should be known after its decision.

    Learning on arrival favours fast outcomes, and where only successes are reported, every mean tends to success.
    A window prevents both: it defines when an outcome is late, and what its absence means.

    Attributes:
        seconds: How long the outcome is awaited [s]; above 0, at most a century.
        missing: What is learned if the outcome is not reported in time: ``"ignore"``, nothing; ``"default"``,
            the value ``default``, which a later report replaces; ``"censor"``, nothing, and a later report is
            logged without being learned, so that everything learned was in time.
        default: The value of a missing outcome, in the objective's own unit.
        learn: ``"on_arrival"``, or ``"after_window"``: every outcome is learned when its window closes, in the
            order of the decisions.

    >>> OutcomeWindow(seconds=3600, missing="default", default=0.0).microseconds
    3600000000
    """

    seconds: float
    missing: Literal["ignore", "default", "censor"] = "ignore"
    default: float | None = None
    learn: Literal["on_arrival", "after_window"] = "on_arrival"

    def __post_init__(self) -> None:
        seconds = require_number("seconds of a window", self.seconds, above=0, most=MOST_SECONDS)
        object.__setattr__(self, "seconds", seconds)
        require_one_of("missing", self.missing, ("ignore", "default", "censor"))
        require_one_of("learn", self.learn, ("on_arrival", "after_window"))
        if (self.missing == "default") != (self.default is not None):
            raise InvalidArgumentError("a window needs a default where missing='default', and nowhere else")

    @property
    def microseconds(self) -> int:
        """Its length [us]."""
        return round(self.seconds * 1e6)

    @property
    def learns_on_close(self) -> bool:
        """Whether something may have to be learned when it is over."""
        return self.missing == "default" or self.learn == "after_window"

    def learns_at(self, age_us: int) -> bool:
        """Whether an outcome that is reported so long after its decision is learned at once [us]."""
        if age_us < self.microseconds:
            return self.learn == "on_arrival"
        return self.missing != "censor"
