"""When an epoch ends, and how much of it is forced exploration."""

from dataclasses import dataclass
from math import sqrt
from typing import Protocol

from banditroute.core.validation import require_integer, require_number


class Epochs(Protocol):
    """Lengths of epochs, from epoch 0 on."""

    def length(self, epoch: int) -> int:
        """Return the number of requests in an epoch."""
        ...

    def forced_share(self, epoch: int, arms: int) -> float:
        """Share in [0, 1] of its requests that is decided as if every adapter were resident."""
        ...


@dataclass(frozen=True, slots=True)
class FixedEpochs:
    """Epochs of one length and nothing forced, as in POLAR.

    Attributes:
        requests: The length.
    """

    requests: int = 200

    def __post_init__(self) -> None:
        require_integer("requests", self.requests, least=1)

    def length(self, epoch: int) -> int:
        """Return the length."""
        return self.requests

    def forced_share(self, epoch: int, arms: int) -> float:
        """Return 0: no request is forced."""
        return 0.0


@dataclass(frozen=True, slots=True)
class DoublingEpochs:
    """Epochs that double, with forced exploration, as in POLAR+.

    Each length comes ``repeats`` times before it doubles: with one epoch of a length, half of all requests would
    hang on a single choice of residents. Over T requests there are O(log T) choices all the same.

    In an epoch of length L a share c √(N/L) of the requests is forced: decided as if every one of the N adapters
    were resident, so that data come from where an absent adapter may be the best. (To spread them evenly over the
    adapters, as the name suggests, taught less and cost more in our worlds.) Over T requests that is O(√(N T))
    forced requests, the order of the regret that they are there to bound. A miss may be expensive, and residents
    are
    chosen with optimism already, so forcing is for a policy whose widths may be too narrow: the more expensive a
    miss, and the surer the widths, the smaller c should be.

    Attributes:
        first: Length of epoch 0.
        forced: c. ≥ 0
        repeats: How many epochs of a length there are.
    """

    first: int = 64
    forced: float = 0.02
    repeats: int = 16

    def __post_init__(self) -> None:
        require_integer("first", self.first, least=1)
        require_integer("repeats", self.repeats, least=1)
        require_number("forced", self.forced, least=0)

    def length(self, epoch: int) -> int:
        """Return first · 2^⌊epoch / repeats⌋."""
        return self.first << (epoch // self.repeats)

    def forced_share(self, epoch: int, arms: int) -> float:
        """Return the share c √(N/L)."""
        return min(1.0, self.forced * sqrt(arms / self.length(epoch)))
