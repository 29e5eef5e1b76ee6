"""Detectors of change in a stream of standardised residuals; river's, imported where they are made."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from banditroute.core.validation import require_integer, require_number


class Detection(Protocol):
    """A detector at work, as river's are."""

    @property
    def drift_detected(self) -> bool:
        """Whether the last value raised an alarm."""
        ...

    def update(self, x: float) -> Any:
        """Add the next value."""
        ...


Detector: TypeAlias = Callable[[], Detection]
"""Makes a fresh detector, the same each time and without randomness of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ADWIN:
    """Adaptive windowing: two parts of the past have different means. Sensitive to what is slow or slight.

    Attributes:
        delta: Confidence of one comparison. (0, 1)
        clock: Looks at each so many values.

    References:
        Bifet & Gavaldà, "Learning from time-changing data with adaptive windowing", SDM 2007.
    """

    delta: float = 0.002
    clock: int = 8

    def __post_init__(self) -> None:
        require_number("delta", self.delta, above=0, below=1)
        require_integer("clock", self.clock, least=1)

    def __call__(self) -> Detection:
        """Return a new detector."""
        from river import drift

        make: Any = drift.ADWIN
        made: Detection = make(delta=self.delta, clock=self.clock)
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class PageHinkley:
    """A cumulative sum about the mean so far, in both directions: quick where the change is large.

    Both settings are in standard deviations of one outcome. river's own defaults suit no standardised stream: by
    chance the sum of an unchanged one passes their threshold of 50 every few thousand values.

    Attributes:
        delta: What is taken off each deviation: half the smallest change that is to be found soon. ≥ 0
        threshold: How much may gather. > 0

    References:
        Page, "Continuous inspection schemes", Biometrika 1954.
    """

    delta: float = 0.15
    threshold: float = 28.0

    def __post_init__(self) -> None:
        require_number("delta", self.delta, least=0)
        require_number("threshold", self.threshold, above=0)

    def __call__(self) -> Detection:
        """Return a new detector."""
        from river import drift

        make: Any = drift.PageHinkley
        made: Detection = make(min_instances=10, delta=self.delta, threshold=self.threshold, alpha=1.0)
        return made
