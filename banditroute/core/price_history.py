"""The prices of one arm over time, in the order of the log."""

from collections.abc import Iterable
from typing import NamedTuple

from banditroute.core.arms import Price


class DatedPrice(NamedTuple):
    """A price, and the time from which it applies.

    Attributes:
        since_us: When it begins to apply [us].
        price: The price.
        recorded_us: When it was set [us]; earlier than ``since_us`` for a price that was scheduled.
    """

    since_us: int
    price: Price
    recorded_us: int


def with_price(known: Iterable[DatedPrice], new: DatedPrice) -> list[DatedPrice]:
    """Return the prices after ``new`` was set, oldest first.

    A price that applies at once replaces the later ones that applied at once too: they were set before it, by a
    clock that was ahead, and must not return. Scheduled prices stay.

    >>> low, high = Price(input=1, output=1), Price(input=9, output=9)
    >>> known = [DatedPrice(0, high, 0), DatedPrice(90, high, 90), DatedPrice(99, high, 5)]
    >>> [each.since_us for each in with_price(known, DatedPrice(10, low, 10))]
    [0, 10, 99]
    """
    applies_at_once = new.since_us == new.recorded_us
    kept = (
        each
        for each in known
        if each.since_us != new.since_us
        and not (applies_at_once and each.since_us > new.since_us and each.since_us <= each.recorded_us)
    )
    return sorted([*kept, new], key=lambda each: each.since_us)
