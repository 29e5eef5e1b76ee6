"""The price history of one arm."""

from bisect import bisect_right
from datetime import datetime

from banditroute.core.arms import Price
from banditroute.errors import InvalidArgumentError

# Where input and output prices move by different ratios, a request is taken to have three prompt tokens for each
# output token.
_PROMPT_TOKENS, _OUTPUT_TOKENS = 3, 1


class PriceHistory:
    """All prices of one arm by the time from which they count; the first also counts for all time before it.

    Dollars are learned at the first price, the reference, and read at today's: so a change of price acts at
    once and nothing is learned again.
    """

    def __init__(self) -> None:
        self._since_us: list[int] = []
        self._prices: list[Price] = []

    def put(self, price: Price, *, since_us: int) -> None:
        """Let ``price`` count from ``since_us`` on, until the next one."""
        index = bisect_right(self._since_us, since_us)
        if index and self._since_us[index - 1] == since_us:
            self._prices[index - 1] = price
        else:
            self._since_us.insert(index, since_us)
            self._prices.insert(index, price)

    def at(self, time_us: int) -> Price | None:
        """The price that counts at that time, if any is known."""
        if not self._prices:
            return None
        return self._prices[max(bisect_right(self._since_us, time_us) - 1, 0)]

    def factor(self, time_us: int) -> float:
        """Return the price at that time over the reference; 1 where either is unknown or the reference is 0."""
        price = self.at(time_us)
        if price is None or price is self._prices[0]:
            return 1.0
        before = _typical_cost(self._prices[0])
        return _typical_cost(price) / before if before else 1.0

    def change_after(self, time_us: int) -> float:
        """When the factor may change next [us]; infinity if it is not going to."""
        later = (since for since in self._since_us[1:] if since > time_us)
        return next(later, float("inf"))


def _typical_cost(price: Price) -> float:
    return price.cost_usd(prompt_tokens=_PROMPT_TOKENS, output_tokens=_OUTPUT_TOKENS)


def effective_us(effective_at: datetime | None, now_us: int) -> int:
    """When a price that is set now counts from [µs]; a time in the past means now.

    Raises:
        InvalidArgumentError: for what is no datetime with a time zone.
    """
    if effective_at is None:
        return now_us
    if not (isinstance(effective_at, datetime) and effective_at.tzinfo):
        raise InvalidArgumentError(f"effective_at = {effective_at!r} must be a datetime with a time zone")
    return max(int(effective_at.timestamp() * 1e6), now_us)
