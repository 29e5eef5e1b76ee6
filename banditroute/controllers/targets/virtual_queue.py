"""A virtual queue: a constraint on an average, kept by a price that grows with its backlog."""

from collections.abc import Mapping

from banditroute.core.validation import require_number

HIGHEST_PRICE = 1000.0
MOST_FORCED = 0.95


class VirtualQueue:
    """A virtual queue: what stands in it is by how much a constraint is broken so far.

    With g what a request used beyond what it was allowed, the debt is Q ← max(0, Q + g), as of a queue that is
    served faster than it fills, and its price is η Q: stochastic dual ascent, in which the price settles at the
    multiplier λ that keeps the average, and the queue at λ/η. Since Q is never less than the sum
    of all g, the average over T requests is beyond what is allowed by Q/T at the most. A larger step keeps the
    queue shorter, and makes the price less steady.

    What was saved earlier cannot be spent: the queue is never below 0.

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
        """Part of an answer that is to be forced: 0 up to a debt of ``slack``, 0.95 from about twice that on.

        Never all of it, so that what is forced can be found to be wrong.
        """
        return min(max((self.debt - slack) / slack, 0.0), MOST_FORCED)

    def take(self, excess: float) -> None:
        """A request used so much more, or less, than it was allowed."""
        self.debt = max(self.debt + excess, 0.0)

    def facts(self) -> Mapping[str, float]:
        """Return price and debt, for ``why``."""
        return {"price": self.price, "debt": self.debt}
