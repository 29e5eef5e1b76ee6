"""Allowances: an amount of one resource per request, per day, or in total."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from banditroute.core.objectives import COST
from banditroute.core.validation import require_integer, require_number
from banditroute.errors import InvalidArgumentError

DAY_S = 86_400.0
SAVED_SHARE = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """The income of an account, and the limit of its savings.

    Attributes:
        per_request: Income per request. ≥ 0
        per_second: Income per second. ≥ 0
        horizon: Number of requests after which there is no more income; None for no limit.
    """

    per_request: float = 0.0
    per_second: float = 0.0
    horizon: int | None = None

    @classmethod
    def of(cls, name: str, amount: float, *, horizon: int | None = None) -> Self:
        """Return an allowance per request; error messages call it ``name``."""
        return cls(per_request=require_number(name, amount, above=0), horizon=_horizon(horizon))

    @classmethod
    def daily(cls, name: str, amount: float) -> Self:
        """Return an allowance per day, independent of the number of requests."""
        return cls(per_second=require_number(name, amount, above=0) / DAY_S)

    @classmethod
    def whole(cls, name: str, amount: float, *, horizon: int | None) -> Self:
        """Return an allowance for ``horizon`` requests in total."""
        if horizon is None:
            raise InvalidArgumentError(
                f"{name} = {amount!r} needs a horizon, the number of requests that it is for"
            )
        count = _horizon(horizon)
        assert count is not None
        return cls(per_request=require_number(name, amount, above=0) / count, horizon=count)

    def income(self, requests: int, elapsed_s: float) -> float:
        """Return the income of request number ``requests`` (from 1), ``elapsed_s`` after the previous one."""
        if self.horizon is not None and requests > self.horizon:
            return 0.0
        return self.per_request + self.per_second * elapsed_s

    def now(self, requests: int, gap_s: float, balance: float, patience: int) -> float:
        """Return the allowance of the next request: its income, and a share of the balance.

        A debt or a credit is spread over ``patience`` requests, or over all requests left to the horizon.
        """
        income = self.income(requests + 1, gap_s)
        left = patience if self.horizon is None else max(self.horizon - requests, 1)
        return income + balance / left

    def most_saved(self, patience: int) -> float:
        """Return the largest credit that can be saved; infinite for an allowance with a horizon."""
        if self.horizon is not None:
            return math.inf
        return self.per_request * patience * SAVED_SHARE + self.per_second * DAY_S


def allowances_of(
    usd_per_request: float | None,
    usd_per_day: float | None,
    total: float | None,
    horizon: int | None,
    per_request: Mapping[str, float],
) -> dict[str, Allowance]:
    """Return resource → allowance, from the arguments of a budget.

    Raises:
        InvalidArgumentError: for amounts that are not above 0, several amounts in dollars, or no amount.
    """
    given = [amount for amount in (usd_per_request, usd_per_day, total) if amount is not None]
    if len(given) > 1 or not (given or per_request):
        raise InvalidArgumentError(
            "a budget needs one of usd_per_request, usd_per_day and total, or resources per_request; "
            f"got {len(given)} in dollars and {len(per_request)} others"
        )
    if given and COST in per_request:
        raise InvalidArgumentError(f"per_request names {COST!r}, for which there is a budget in dollars already")
    allowances = {}
    if usd_per_request is not None:
        allowances[COST] = Allowance.of("usd_per_request", usd_per_request, horizon=horizon)
    elif usd_per_day is not None:
        if horizon is not None:
            raise InvalidArgumentError("horizon does not go with usd_per_day, which is a rate without an end")
        allowances[COST] = Allowance.daily("usd_per_day", usd_per_day)
    elif total is not None:
        allowances[COST] = Allowance.whole("total", total, horizon=horizon)
    for name, amount in per_request.items():
        allowances[name] = Allowance.of(f"per_request[{name!r}]", amount, horizon=horizon)
    return allowances


def _horizon(value: int | None) -> int | None:
    return None if value is None else require_integer("horizon", value, least=1)
