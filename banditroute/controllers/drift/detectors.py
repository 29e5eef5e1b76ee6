"""Detectors of change in a stream of standardised residuals; river is imported when one is created."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from banditroute.core.validation import set_integer, set_number


class Detection(Protocol):
    """Protocol of a running detector, as in river."""

    @property
    def drift_detected(self) -> bool:
        """Whether the last value raised an alarm."""
        ...

    def update(self, x: float) -> Any:
        """Add the next value."""
        ...


Detector: TypeAlias = Callable[[], Detection]
"""Returns a new detector, always with the same settings and without randomness."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ADWIN:
    """Adaptive windowing: compares the means of two parts of the past; sensitive to slow or small changes.

    Attributes:
        delta: Confidence of one comparison. (0, 1)
        clock: Number of values between two comparisons. ≥ 1

    References:
        Bifet & Gavaldà, "Learning from time-changing data with adaptive windowing", SDM 2007.
    """

    delta: float = 0.002
    clock: int = 8

    def __post_init__(self) -> None:
        set_number(self, "delta", above=0, below=1)
        set_integer(self, "clock", least=1)

    def __call__(self) -> Detection:
        """Return a new detector."""
        from river import drift

        make: Any = drift.ADWIN
        made: Detection = make(delta=self.delta, clock=self.clock)
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class PageHinkley:
    """A cumulative sum about the running mean, in both directions: fast for large changes.

    Both settings are in standard deviations of one outcome. river's defaults do not suit a standardised stream:
    the sum of an unchanged stream exceeds their threshold of 50 by chance every few thousand values.

    Attributes:
        delta: Amount subtracted from each deviation: half the smallest change to be found soon. ≥ 0
        threshold: Cumulative sum above which a change is reported. > 0

    References:
        Page, "Continuous inspection schemes", Biometrika 1954.
    """

    delta: float = 0.15
    threshold: float = 28.0

    def __post_init__(self) -> None:
        set_number(self, "delta", least=0)
        set_number(self, "threshold", above=0)

    def __call__(self) -> Detection:
        """Return a new detector."""
        from river import drift

        make: Any = drift.PageHinkley
        made: Detection = make(min_instances=10, delta=self.delta, threshold=self.threshold, alpha=1.0)
        return made
