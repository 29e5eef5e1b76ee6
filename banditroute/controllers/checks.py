"""Checks of controllers' settings."""

import math

from banditroute.errors import InvalidArgumentError


def require_above_zero(name: str, value: object) -> float:
    """Return a finite number above 0; raises InvalidArgumentError."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise InvalidArgumentError(f"{name} = {value!r:.40} must be a finite number above 0")
    return float(value)


def require_number(name: str, value: object) -> float:
    """Return a finite number; raises InvalidArgumentError."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidArgumentError(f"{name} = {value!r:.40} must be a finite number")
    return float(value)


def require_inside(name: str, value: object) -> float:
    """Return a number in (0, 1); raises InvalidArgumentError."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
        raise InvalidArgumentError(f"{name} = {value!r:.40} must lie in (0, 1)")
    return float(value)


def require_name(name: str, value: object) -> str:
    """Return a string that is not empty; raises InvalidArgumentError."""
    if not (isinstance(value, str) and value):
        raise InvalidArgumentError(f"{name} = {value!r:.40} must be a string that is not empty")
    return value


def require_bounds(name: str, bounds: tuple[float, float]) -> tuple[float, float]:
    """Return a pair of finite numbers, the lower first; raises InvalidArgumentError."""
    if not (isinstance(bounds, tuple | list) and len(bounds) == 2):
        raise InvalidArgumentError(f"{name} = {bounds!r:.60} must be a pair of numbers")
    lo, hi = (require_number(name, bound) for bound in bounds)
    if not lo < hi:
        raise InvalidArgumentError(f"{name} = {bounds!r:.60} must be a pair of numbers, the lower first")
    return lo, hi
