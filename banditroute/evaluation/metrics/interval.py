"""A mean over seeds with its confidence interval."""

import math
from typing import NamedTuple

import numpy as np

from banditroute.core.arrays import FloatArray

CONFIDENCE = 0.95


class Interval(NamedTuple):
    """Mean and 95% confidence interval over seeds.

    ``low`` and ``high`` are NaN with a single seed; ``mean`` is NaN too where nothing could be measured.
    """

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, values: FloatArray) -> "Interval":
        """Student's t interval of one value a seed, shape (seeds,); for paired differences pass those.

        It takes the runs of different seeds as independent draws; over a finite workload they share its
        requests, so it speaks of the order and of chance in the router, not of other workloads. One value that
        is not available (NaN) makes the whole interval so.

        >>> Interval.of(np.array([1.0, 2.0, 3.0]))
        Interval(mean=2.0, low=-0.484..., high=4.484...)
        """
        mean = float(np.mean(values))
        if len(values) < 2 or math.isnan(mean):
            return cls(mean, math.nan, math.nan)
        from scipy.stats import t

        quantile = float(t.ppf((1 + CONFIDENCE) / 2, len(values) - 1))
        half = quantile * float(np.std(values, ddof=1)) / math.sqrt(len(values))
        return cls(mean, mean - half, mean + half)

    @property
    def half(self) -> float:
        """Half of its length."""
        return (self.high - self.low) / 2

    def as_dict(self) -> dict[str, float | None]:
        """As JSON has it: what is not available is null."""
        return {name: value if math.isfinite(value) else None for name, value in self._asdict().items()}
