"""Arms and their prices."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Self, TypeAlias

import numpy as np

from banditroute.core.names import checked_name
from banditroute.core.numbers import as_integer, as_real
from banditroute.core.shown import shown
from banditroute.errors import InvalidArgumentError

if TYPE_CHECKING:
    from decimal import Decimal

ArmStatus: TypeAlias = Literal["active", "draining", "retired"]

TOKENS_PER_PRICE = 1_000_000
MAX_TOKENS = 10**12
MAX_NAME = 200

# Between these a price relative to another one is a number that can be reckoned with.
_LEAST_PRICE, _MOST_PRICE = 1e-9, 1e9
_LEAST_PLAUSIBLE, _MOST_PLAUSIBLE = 1e-4, 1e4


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """A price of tokens [USD per million tokens]; 0 is free.

    A price below 1e-4 or above 1e4 is logged as a warning, because it is likely to be in another unit.

    >>> Price(input=2.50, output=10.00).cost_usd(prompt_tokens=1_000, output_tokens=200)
    0.0045
    """

    input: float
    output: float

    def __post_init__(self) -> None:
        for name, value in (("input", self.input), ("output", self.output)):
            number = None if isinstance(value, bool | np.bool_) else as_real(value)
            if number is None or not (number == 0 or _LEAST_PRICE <= number <= _MOST_PRICE):
                raise InvalidArgumentError(
                    f"price {name} = {shown(value, 40)} must be 0 or a number of USD "
                    f"from {_LEAST_PRICE:g} to {_MOST_PRICE:g}"
                )
            object.__setattr__(self, name, number)
            if number and not _LEAST_PLAUSIBLE <= number <= _MOST_PLAUSIBLE:
                unit = "per token" if number < _LEAST_PLAUSIBLE else "per billion tokens"
                _warn_of(name, number, unit)

    @classmethod
    def per_token(cls, *, input: "float | str | Decimal", output: "float | str | Decimal") -> Self:  # noqa: A002
        """Return a price that is given in USD per token, as a number or as text.

        Raises:
            InvalidArgumentError: for anything but a number of at least 0.

        >>> Price.per_token(input="0.0000025", output=1e-05)
        Price(input=2.5, output=10.0)
        """
        return cls(input=_per_million("input", input), output=_per_million("output", output))

    def cost_usd(self, *, prompt_tokens: float, output_tokens: float) -> float:
        """Cost of one request [USD]."""
        return (self.input * prompt_tokens + self.output * output_tokens) / TOKENS_PER_PRICE


def _per_million(name: str, value: object) -> float:
    """Return a price per million tokens; in decimals, so that 0.0000025 becomes 2.5 and no neighbour of it."""
    from decimal import Decimal, InvalidOperation

    number = None if isinstance(value, bool | np.bool_) else value
    try:
        return float(Decimal(str(number)) * TOKENS_PER_PRICE)
    except (InvalidOperation, OverflowError):
        raise InvalidArgumentError(f"price {name} = {shown(value, 40)} must be USD per token, a number") from None


def _warn_of(name: str, price: float, unit: str) -> None:
    # Loaded here: it takes as long as a third of this package.
    from logging import getLogger

    getLogger("banditroute").warning(
        "price %s = %g USD per million tokens is implausible; is it %s? See Price.per_token", name, price, unit
    )


@dataclass(frozen=True, slots=True)
class Arm:
    """One choice: an LLM, a LoRA adapter, an agent, any backend.

    Attributes:
        name: Unique in its router and never used again for something else; put the version into it.
        price: What its tokens cost, if that is known. Unknown is not free.
        max_output_tokens: Upper bound of what it may answer, for ``max_cost_usd``.
        prior: Objective → expected value before any feedback, in that objective's own unit.
    """

    name: str
    price: Price | None = field(default=None, kw_only=True)
    max_output_tokens: int | None = field(default=None, kw_only=True)
    prior: Mapping[str, float] = field(default_factory=dict, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", checked_name("arm name", self.name, longest=MAX_NAME))
        if self.price is not None and not isinstance(self.price, Price):
            raise InvalidArgumentError(
                f"price of arm {self.name!r} must be a Price, got {type(self.price).__name__}"
            )
        if self.max_output_tokens is not None:
            limit = as_integer(self.max_output_tokens)
            if limit is None or not 0 < limit <= MAX_TOKENS:
                raise InvalidArgumentError(
                    f"max_output_tokens of arm {self.name!r} = {shown(self.max_output_tokens, 40)} "
                    f"must be an integer from 1 to {MAX_TOKENS}"
                )
            object.__setattr__(self, "max_output_tokens", limit)
        if not isinstance(self.prior, Mapping):
            raise InvalidArgumentError(
                f"prior of arm {self.name!r} must map objectives to values, got {type(self.prior).__name__}"
            )
        object.__setattr__(self, "prior", {name: _number(name, value) for name, value in self.prior.items()})


def _number(name: str, value: object) -> float:
    number = as_real(value)
    if number is None:
        raise InvalidArgumentError(f"prior {shown(name, 80)} must be a number, got {type(value).__name__}")
    if not math.isfinite(number):
        raise InvalidArgumentError(f"prior {shown(name, 80)} = {number} must be a finite number")
    return number
