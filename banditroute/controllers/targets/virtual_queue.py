"""A virtual queue: a constraint on an average, kept by a price that grows with its backlog."""

from collections.abc import Mapping

from banditroute.core.validation import require_number

HIGHEST_PRICE = 1000.0
MOST_FORCED = 0.95


class VirtualQueue:
    """A virtual queue: its length is the amount by which a constraint is violated so far.

    Let g be the use of a request above its allowed use. The debt is Q ← max(0, Q + g), like the backlog of a
    queue, and the price is η Q. This is stochastic dual ascent: the price converges to the multiplier λ that keeps
    the average, and the queue to λ/η. Since Q is at least the sum of all g, the average over T requests exceeds
    the allowed value by at most Q/T. A larger step keeps the queue shorter, and makes the price less steady.

    Earlier savings are not credited: the queue is never below 0.

    Args:
        step: η, the price of one unit of debt, in units of the preferences' sum. > 0

    Attributes:
        debt: Q, in units of the constraint. ≥ 0

    References:
        Neely, "Stochastic network optimization with application to communication and queueing systems", 2010,
        chapter 4.

    >>> queue = VirtualQueue(step=0.5)
    >>> for used in (1, 1, 0, 0, 0):
    ...     queue.take(used - 0.25)
    >>> queue.debt, queue.price
    (0.75, 0.375)
    """

    def __init__(self, *, step: float) -> None:
        self.step = require_number("step", step, above=0)
        self.debt = 0.0

    @property
    def price(self) -> float:
        """Return the price of one unit, in units of the preferences' sum. [0, 1000]."""
        return min(self.step * self.debt, HIGHEST_PRICE)

    def forced(self, slack: float) -> float:
        """Return the part of an answer to force: 0 up to a debt of ``slack``, 0.95 from about twice that debt.

        It is always below 1, so that the other arms still produce data.
        """
        return min(max((self.debt - slack) / slack, 0.0), MOST_FORCED)

    def take(self, excess: float) -> None:
        """Add the use of one request above the allowed use; negative below it."""
        self.debt = max(self.debt + excess, 0.0)

    def facts(self) -> Mapping[str, float]:
        """Return price and debt, for ``why``."""
        return {"price": self.price, "debt": self.debt}
