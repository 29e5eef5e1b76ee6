"""Lengths of epochs, and the share of forced exploration."""

from dataclasses import dataclass
from math import sqrt
from typing import Protocol

from banditroute.core.validation import set_integer, set_number


class Epochs(Protocol):
    """Protocol: length and forced share of each epoch, from epoch 0."""

    def length(self, epoch: int) -> int:
        """Return the number of requests in an epoch."""
        ...

    def forced_share(self, epoch: int, arms: int) -> float:
        """Return the share of requests decided as if every adapter were resident. [0, 1]."""
        ...


@dataclass(frozen=True, slots=True)
class FixedEpochs:
    """Epochs of one length without forced requests, as in POLAR.

    Attributes:
        requests: Length of an epoch.
    """

    requests: int = 200

    def __post_init__(self) -> None:
        set_integer(self, "requests", least=1)

    def length(self, epoch: int) -> int:
        """Return the length."""
        return self.requests

    def forced_share(self, epoch: int, arms: int) -> float:
        """Return 0: no request is forced."""
        return 0.0


@dataclass(frozen=True, slots=True)
class DoublingEpochs:
    """Epochs whose length doubles, with forced exploration, as in POLAR+.

    Each length is used ``repeats`` times before it doubles: with one epoch per length, half of all requests would
    depend on a single choice of residents. Over T requests there are still O(log T) choices.

    In an epoch of length L a share c √(N/L) of the requests is forced: decided as if all N adapters were resident,
    so that data is collected where an absent adapter may be the best. (In our simulations, spreading forced
    requests evenly over the adapters gave less information at a higher cost.) Over T requests there are O(√(N T))
    forced requests, which is the order of the regret that they bound. A miss may be expensive, and residents are
    already chosen with optimism; so forced requests are for a policy whose widths may be too narrow. The more
    expensive a miss and the more reliable the widths, the smaller c should be.

    Attributes:
        first: Length of epoch 0.
        forced: c, the factor of the forced share. ≥ 0
        repeats: Number of epochs of each length.
    """

    first: int = 64
    forced: float = 0.02
    repeats: int = 16

    def __post_init__(self) -> None:
        set_integer(self, "first", least=1)
        set_integer(self, "repeats", least=1)
        set_number(self, "forced", least=0)

    def length(self, epoch: int) -> int:
        """Return first · 2^⌊epoch / repeats⌋."""
        return self.first << (epoch // self.repeats)

    def forced_share(self, epoch: int, arms: int) -> float:
        """Return the share c √(N/L)."""
        return min(1.0, self.forced * sqrt(arms / self.length(epoch)))
