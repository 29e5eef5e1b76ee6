"""A confidence sequence: an interval that is valid at all sample sizes at once."""

from collections.abc import Mapping
from math import log, sqrt

from banditroute.core.validation import require_number

# The stitched boundary's constants for epochs that double (η = 2) and have the weights k^−1.4 (ζ(1.4) = 3.1055…).
_EXPONENT = 1.4
_ZETA = 3.105547
_VARIANCE_FACTOR = (2**0.25 + 2**-0.25) / sqrt(2)
_SCALE_FACTOR = (sqrt(2) + 1) / 2


def stitched_boundary(variance: float, *, scale: float, error: float) -> float:
    """Bound a sum's deviation from the sum of its conditional means, at all times, except with chance ``error``.

    u(v) = √(k₁² v ℓ(v) + k₂² c² ℓ(v)²) + k₂ c ℓ(v), with ℓ(v) = 1.4 ln ln(2 v/c²) + ln(ζ(1.4) / (α ln^1.4 2)),
    for a sum whose terms deviate by at most c = ``scale``, with observed variance v (at least c²) and
    α = ``error``.

    References:
        Howard, Ramdas, McAuliffe & Sekhon, "Time-uniform, nonparametric, nonasymptotic confidence sequences",
        Annals of Statistics 49(2), 2021: equation 10, and theorem 4 for the observed variance.

    >>> round(stitched_boundary(100.0, scale=1.0, error=0.025), 2)
    50.08
    """
    relative = max(variance / scale**2, 1.0)
    level = _EXPONENT * log(log(2 * relative)) + log(_ZETA / (error * log(2) ** _EXPONENT))
    within = _SCALE_FACTOR * level
    return scale * (sqrt(_VARIANCE_FACTOR**2 * relative * level + within**2) + within)


class ConfidenceSequence:
    """The running mean of the terms' expectations, with a confidence sequence around it.

    The terms need not be identically distributed or independent: the estimate is the average of their
    expectations, each conditional on all earlier terms. The bounds hold at all times at once with the given
    confidence, so they stay valid if they are read after every term and the data collection stops as soon as they
    are decisive.

    Args:
        scale: Largest possible distance between a term and its guess. > 0
        confidence: Confidence of the two bounds together. (0, 1)

    Attributes:
        count: Number of terms.
        total: Sum of the terms.
        variance: Sum of the squared distances between terms and their guesses.
    """

    def __init__(self, *, scale: float = 1.0, confidence: float = 0.95) -> None:
        scale = require_number("scale", scale, above=0)
        confidence = require_number("confidence", confidence, above=0, below=1)
        self.scale = float(scale)
        self.error = 1.0 - confidence
        self.count, self.total, self.variance = 0, 0.0, 0.0

    def add(self, term: float, *, guess: float = 0.0) -> None:
        """Add a term; ``guess`` is the value predicted for it before it was observed."""
        self.count += 1
        self.total += term
        self.variance += (term - guess) ** 2

    def amend(self, previous: float, term: float | None, *, guess: float = 0.0) -> None:
        """Replace a term, or remove it if ``term`` is None; ``guess`` is the one it was added with."""
        self.count -= term is None
        self.total += (0.0 if term is None else term) - previous
        square = 0.0 if term is None else (term - guess) ** 2
        self.variance = max(0.0, self.variance + square - (previous - guess) ** 2)

    @property
    def mean(self) -> float:
        """Mean of the terms; 0 before the first."""
        return self.total / self.count if self.count else 0.0

    @property
    def half_width(self) -> float:
        """Half the length of the interval; infinite before the first term."""
        if not self.count:
            return float("inf")
        return stitched_boundary(self.variance, scale=self.scale, error=self.error / 2) / self.count

    def state(self) -> Mapping[str, float]:
        """Return the sums as a mapping for JSON."""
        return {"count": self.count, "total": self.total, "variance": self.variance}

    def restore(self, state: Mapping[str, float]) -> None:
        """Continue from the result of :meth:`state`."""
        self.count = int(state["count"])
        self.total, self.variance = float(state["total"]), float(state["variance"])
