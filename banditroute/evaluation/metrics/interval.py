"""Confidence interval of a mean over seeds."""

import math
from typing import NamedTuple

import numpy as np

from banditroute.core.arrays import FloatArray

CONFIDENCE = 0.95


class Interval(NamedTuple):
    """Mean and 95% confidence interval over seeds.

    ``low`` and ``high`` are NaN for a single seed; ``mean`` is NaN too if there is no value for some seed.
    """

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, values: FloatArray) -> "Interval":
        """Compute Student's t interval from one value (or paired difference) per seed, shape (seeds,).

        The runs of different seeds are treated as independent draws. Over a finite workload they share the same
        requests, so the interval covers the order of the requests and the randomness of the router, but not
        other workloads. One unavailable value (NaN) makes the whole interval NaN.

        >>> Interval.of(np.array([1.0, 2.0, 3.0]))
        Interval(mean=2.0, low=-0.484..., high=4.484...)
        """
        mean = float(np.mean(values))
        if len(values) < 2 or math.isnan(mean):
            return cls(mean, math.nan, math.nan)
        from scipy.stats import t

        # Not t.interval, which gives NaN where all values are equal (a standard error of 0).
        quantile = float(t.ppf((1 + CONFIDENCE) / 2, len(values) - 1))
        half = quantile * float(np.std(values, ddof=1)) / math.sqrt(len(values))
        return cls(mean, mean - half, mean + half)

    @property
    def half(self) -> float:
        """Half of the length of the interval."""
        return (self.high - self.low) / 2

    def to_dict(self) -> dict[str, float | None]:
        """Return plain values for JSON; unavailable ones are None."""
        return {name: value if math.isfinite(value) else None for name, value in self._asdict().items()}
