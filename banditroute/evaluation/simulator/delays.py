"""Delays of feedback, and its share that never arrives."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from banditroute.core.arrays import FloatArray, IntArray
from banditroute.core.validation import require_number
from banditroute.errors import InvalidArgumentError

Distribution: TypeAlias = Callable[[np.random.Generator, int], FloatArray]
"""(generator, count) → ``count`` draws, each ≥ 0."""


@dataclass(frozen=True, slots=True)
class Exponential:
    """Exponential (memoryless) delay.

    Attributes:
        mean: Mean delay, in the unit of the :class:`Delay` that it is used in. (0, ∞)
    """

    mean: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", require_number("mean of an Exponential", self.mean, above=0))

    def __call__(self, generator: np.random.Generator, count: int) -> FloatArray:
        """Draw ``count`` waiting times."""
        return generator.exponential(self.mean, count)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay:
    """Delay of the feedback of one objective group, and the share of it that never arrives.

    Attributes:
        requests: Number of further requests that are routed before the feedback arrives, as a number or a
            distribution. With 0 it arrives before the next request.
        seconds: Delay on the clock, as a number or a distribution; set ``requests`` or ``seconds``, not both. [s]
        missing: Share that never arrives, chosen at random. [0, 1]

    >>> Delay(requests=2).arrivals(np.arange(4.0), np.random.default_rng(0)).tolist()
    [3, 4, 5, 6]
    >>> Delay(seconds=1.5).arrivals(np.arange(4.0), np.random.default_rng(0)).tolist()
    [2, 3, 4, 4]
    """

    requests: float | Distribution | None = None
    seconds: float | Distribution | None = None
    missing: float = 0.0

    def __post_init__(self) -> None:
        if self.requests is not None and self.seconds is not None:
            raise InvalidArgumentError("a Delay must set requests or seconds, not both; leave one of them out")
        for name, value in (("requests", self.requests), ("seconds", self.seconds)):
            if value is not None and not callable(value):
                object.__setattr__(self, name, require_number(f"{name} of a Delay", value, least=0))
        object.__setattr__(self, "missing", require_number("missing of a Delay", self.missing, least=0, most=1))

    def arrivals(self, clock: FloatArray, generator: np.random.Generator) -> IntArray:
        """Return the number of the request before which each feedback arrives.

        Args:
            clock: Time of each request [s], ascending, shape (requests,).
            generator: Source of all randomness.

        Returns:
            Shape (requests,). Feedback of request i arrives before request i + 1 at the earliest. The value is
            ``len(clock)`` if it arrives after the last request, and ``len(clock) + 1`` if it never arrives.
        """
        count = len(clock)
        own = np.arange(count)
        if self.seconds is None:
            waits = _draws(self.requests or 0.0, generator, count)
            due = own + 1 + np.minimum(np.ceil(waits), count).astype(np.int64)
        else:
            at = clock + _draws(self.seconds, generator, count)
            due = np.searchsorted(clock, at, side="left")
            due = np.maximum(due, own + 1)
        if self.missing:
            due[generator.random(count) < self.missing] = count + 1
        return due


def _draws(wait: float | Distribution, generator: np.random.Generator, count: int) -> FloatArray:
    if not callable(wait):
        return np.full(count, float(wait))
    draws = np.asarray(wait(generator, count), dtype=np.float64)
    if draws.shape != (count,) or not (draws >= 0).all():
        raise InvalidArgumentError(f"the distribution of a Delay must return {count} numbers, each at least 0")
    return draws


IMMEDIATE = Delay()
