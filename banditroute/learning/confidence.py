"""A confidence sequence: an interval that is valid at all sample sizes at once."""

from collections.abc import Mapping
from math import log, sqrt

from banditroute.core.validation import require_number

# The stitched boundary's constants for epochs that double (η = 2) and are weighed by k^−1.4 (ζ(1.4) = 3.1055…).
_EXPONENT = 1.4
_ZETA = 3.105547
_VARIANCE_FACTOR = (2**0.25 + 2**-0.25) / sqrt(2)
_SCALE_FACTOR = (sqrt(2) + 1) / 2


def stitched_boundary(variance: float, *, scale: float, error: float) -> float:
    """How far a sum may stray from the sum of its conditional means, at all times but with chance ``error``.

    u(v) = √(k₁² v ℓ(v) + k₂² c² ℓ(v)²) + k₂ c ℓ(v), with ℓ(v) = 1.4 ln ln(2 v/c²) + ln(ζ(1.4) / (α ln^1.4 2)),
    for a sum whose terms stray by c at the most and whose observed variance is v, taken as at least c².

    References:
        Howard, Ramdas, McAuliffe & Sekhon, "Time-uniform, nonparametric, nonasymptotic confidence sequences",
        Annals of SumsTable 49(2), 2021: equation 10, and theorem 4 for the observed variance.

    >>> round(stitched_boundary(100.0, scale=1.0, error=0.025), 2)
    50.08
    """
    relative = max(variance / scale**2, 1.0)
    level = _EXPONENT * log(log(2 * relative)) + log(_ZETA / (error * log(2) ** _EXPONENT))
    within = _SCALE_FACTOR * level
    return scale * (sqrt(_VARIANCE_FACTOR**2 * relative * level + within**2) + within)


class ConfidenceSequence:
    """The mean so far of what is expected, term by term, with a confidence sequence around it.

    The terms need not be alike nor independent: what is estimated is the average of their expectations, each
    given all that came before it. The bounds hold for all times at once, with the given confidence, so that it
    is honest to look at them after every term and to stop when one of them says what was hoped for.

    Args:
        scale: How far a term may lie from its guess. > 0
        confidence: Of the two bounds together. (0, 1)

    Attributes:
        count: Number of terms.
        total: Their sum.
        variance: Sum of their squared distances from their guesses.
    """

    def __init__(self, *, scale: float = 1.0, confidence: float = 0.95) -> None:
        require_number("scale", scale, above=0)
        require_number("confidence", confidence, above=0, below=1)
        self.scale = float(scale)
        self.error = 1.0 - confidence
        self.count, self.total, self.variance = 0, 0.0, 0.0

    def add(self, term: float, *, guess: float = 0.0) -> None:
        """Take a term in; ``guess`` is what was thought of it before it was seen."""
        self.count += 1
        self.total += term
        self.variance += (term - guess) ** 2

    def amend(self, previous: float, term: float | None, *, guess: float = 0.0) -> None:
        """Replace a term by another, or by nothing; ``guess`` is the one that it was added with."""
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
        """Half of the interval; infinite before the first term."""
        if not self.count:
            return float("inf")
        return stitched_boundary(self.variance, scale=self.scale, error=self.error / 2) / self.count

    def state(self) -> Mapping[str, float]:
        """The sums, fit for JSON."""
        return {"count": self.count, "total": self.total, "variance": self.variance}

    def restore(self, state: Mapping[str, float]) -> None:
        """Continue from what :meth:`state` gave."""
        self.count = int(state["count"])
        self.total, self.variance = float(state["total"]), float(state["variance"])
