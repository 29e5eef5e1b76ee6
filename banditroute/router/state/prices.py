"""The price history of one arm."""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime

from banditroute.core.arms import Price
from banditroute.core.price_history import DatedPrice, with_price
from banditroute.errors import InvalidArgumentError

# If input and output prices change by different ratios, a request is assumed to have three prompt tokens for each
# output token.
_PROMPT_TOKENS, _OUTPUT_TOKENS = 3, 1


class PriceHistory:
    """All prices of one arm by the time from which they apply; the first also applies to all earlier times.

    Cost is learned at the first price, the reference, and predicted at the current price: a change of price
    applies at once, and learned data is kept.
    """

    def __init__(self) -> None:
        self._set([])

    def put(self, price: DatedPrice) -> None:
        """Add a price that applies until the next one."""
        self._set(with_price(self._dated, price))

    def replace(self, prices: Sequence[DatedPrice]) -> None:
        """Take the prices of a store."""
        self._set(prices)

    def at(self, time_us: int) -> Price | None:
        """Return the price at that time; None if no price is known."""
        if not self._prices:
            return None
        return self._prices[max(bisect_right(self._since_us, time_us) - 1, 0)]

    def factor(self, time_us: int) -> float:
        """Return the price at that time divided by the reference; 1 if either is unknown or the reference is 0."""
        price = self.at(time_us)
        if price is None or price is self._prices[0]:
            return 1.0
        before = _typical_cost(self._prices[0])
        return _typical_cost(price) / before if before else 1.0

    def _set(self, prices: Sequence[DatedPrice]) -> None:
        self._dated = list(prices)
        self._since_us = [each.since_us for each in prices]
        self._prices = [each.price for each in prices]

    def change_after(self, time_us: int) -> float:
        """Return the time of the next change of the factor [us]; infinity if there is none."""
        later = (since for since in self._since_us[1:] if since > time_us)
        return next(later, float("inf"))


def _typical_cost(price: Price) -> float:
    return price.cost_usd(prompt_tokens=_PROMPT_TOKENS, output_tokens=_OUTPUT_TOKENS)


def effective_us(effective_at: datetime | None, now_us: int) -> int:
    """Return the time from which a price set now applies [us]; a time in the past means now.

    Raises:
        InvalidArgumentError: if it is not a datetime with a time zone.
    """
    if effective_at is None:
        return now_us
    if not (isinstance(effective_at, datetime) and effective_at.tzinfo):
        raise InvalidArgumentError(f"effective_at = {effective_at!r} must be a datetime with a time zone")
    return max(int(effective_at.timestamp() * 1e6), now_us)
