"""The rules that the settings of policies obey."""

import math

from banditroute.errors import InvalidArgumentError

_LEAST_RIDGE, _MOST_RIDGE = 1e-3, 1e9


def require_share(name: str, value: float) -> None:
    """Refuse what is no number in [0, 1)."""
    if not isinstance(value, int | float) or not 0 <= value < 1:
        raise InvalidArgumentError(f"{name} = {value!r} must be a number in [0, 1)")


def require_positive(name: str, value: float) -> None:
    """Refuse what is no finite number above 0."""
    if not isinstance(value, int | float) or not 0 < value < math.inf:
        raise InvalidArgumentError(f"{name} = {value!r} must be a finite number above 0")


def require_at_least_zero(name: str, value: float) -> None:
    """Refuse what is no finite number, at least 0."""
    if not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise InvalidArgumentError(f"{name} = {value!r} must be a finite number, at least 0")


def require_count(name: str, value: int) -> None:
    """Refuse what is no integer, at least 0."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InvalidArgumentError(f"{name} = {value!r} must be an integer, at least 0")


def require_ridge(value: float) -> None:
    """Refuse what is no number in [1e-3, 1e9]; below, collinear features leave no posterior to rounding."""
    if not isinstance(value, int | float) or not _LEAST_RIDGE <= value <= _MOST_RIDGE:
        raise InvalidArgumentError(f"ridge = {value!r} must be a number in [{_LEAST_RIDGE:g}, {_MOST_RIDGE:g}]")
