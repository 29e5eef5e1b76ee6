"""Checks of settings, each refused in one sentence: the argument, its value, the rule."""

import math
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from banditroute.core.names import is_name, normal
from banditroute.core.numbers import as_integer, as_real
from banditroute.core.shown import shown
from banditroute.errors import InvalidArgumentError


def require_number(
    name: str,
    value: object,
    *,
    above: float | None = None,
    least: float | None = None,
    below: float | None = None,
    most: float | None = None,
) -> float:
    """Return a finite number within its limits, of which at most one on each side is given.

    Raises:
        InvalidArgumentError: otherwise; a bool is no number.
    """
    number = None if isinstance(value, bool | np.bool_) else as_real(value)
    if (
        number is None
        or not math.isfinite(number)
        or (above is not None and not number > above)
        or (least is not None and not number >= least)
        or (below is not None and not number < below)
        or (most is not None and not number <= most)
    ):
        rule = _rule(above, least, below, most)
        raise InvalidArgumentError(f"{name} = {shown(value)} must be {rule}")
    return number


def require_integer(name: str, value: object, *, least: int, most: int | None = None) -> int:
    """Return an integer within its limits.

    Raises:
        InvalidArgumentError: otherwise; a bool is no integer.
    """
    number = as_integer(value)
    if number is None or number < least or (most is not None and number > most):
        rule = f", at least {least}" if most is None else f" from {least} to {most}"
        raise InvalidArgumentError(f"{name} = {shown(value)} must be an integer{rule}")
    return number


def set_number(settings: object, name: str, **limits: float | None) -> None:
    """Replace an attribute of a frozen dataclass by the number that it stands for; see :func:`require_number`."""
    object.__setattr__(settings, name, require_number(name, getattr(settings, name), **limits))


def set_integer(settings: object, name: str, *, least: int, most: int | None = None) -> None:
    """Replace an attribute of a frozen dataclass by its integer; see :func:`require_integer`."""
    object.__setattr__(settings, name, require_integer(name, getattr(settings, name), least=least, most=most))


def require_items(name: str, values: object) -> tuple[Any, ...]:
    """Return the items of a list, a tuple or another collection, except of a text or a mapping.

    Raises:
        InvalidArgumentError: otherwise.
    """
    if isinstance(values, Collection) and not isinstance(values, str | bytes | Mapping):
        with suppress(Exception):
            return tuple(values)
    raise InvalidArgumentError(f"{name} must be a list of items, got {type(values).__name__}")


def require_callable(name: str, value: object) -> None:
    """Accept a function, or anything else that can be called.

    Raises:
        InvalidArgumentError: otherwise.
    """
    if not callable(value):
        raise InvalidArgumentError(f"{name} must be a function, got {type(value).__name__}")


def as_path(name: str, value: "str | PathLike[str]") -> Path:
    """Return a path.

    Raises:
        InvalidArgumentError: for anything but a text or a path.
    """
    if isinstance(value, str | PathLike):
        with suppress(Exception):
            return Path(value)
    raise InvalidArgumentError(f"{name} must be a path, got {type(value).__name__}")


def require_bool(name: str, value: object) -> bool:
    """Return True or False.

    Raises:
        InvalidArgumentError: for anything but a boolean of Python or numpy.
    """
    if not isinstance(value, bool | np.bool_):
        raise InvalidArgumentError(f"{name} = {shown(value)} must be True or False")
    return bool(value)


def require_type(name: str, value: object, kind: type) -> None:
    """Accept an instance of ``kind``.

    Raises:
        InvalidArgumentError: otherwise.
    """
    if not isinstance(value, kind):
        raise InvalidArgumentError(f"{name} = {shown(value)} must be of type {kind.__name__}")


def require_name(name: str, value: object) -> str:
    """Return a string that is not empty, in the normal form of names.

    Raises:
        InvalidArgumentError: otherwise.
    """
    if not (isinstance(value, str) and value):
        raise InvalidArgumentError(f"{name} = {shown(value)} must be a string that is not empty")
    return normal(value)


def require_text(name: str, value: str | None, *, longest: int) -> str | None:
    """Return None, or a short printable text in its normal form (see :mod:`banditroute.core.names`).

    Raises:
        InvalidArgumentError: otherwise; the text may come from a prompt or a person, so the message omits it.
    """
    if value is None:
        return None
    if not is_name(value, longest=longest):
        raise InvalidArgumentError(f"{name} must be a string of at most {longest} printable characters")
    return normal(value)


def require_one_of(name: str, value: object, choices: Sequence[str]) -> None:
    """Accept one of the choices.

    Raises:
        InvalidArgumentError: otherwise.
    """
    if not isinstance(value, str) or value not in choices:
        known = ", ".join(map(repr, choices[:-1]))
        raise InvalidArgumentError(f"{name} = {shown(value)} must be {known} or {choices[-1]!r}")


def require_bounds(name: str, bounds: object) -> tuple[float, float]:
    """Return a pair of finite numbers, the lower first.

    Raises:
        InvalidArgumentError: otherwise.
    """
    if not (isinstance(bounds, tuple | list) and len(bounds) == 2):
        raise InvalidArgumentError(f"{name} = {shown(bounds)} must be a pair of numbers")
    lo, hi = (require_number(name, bound) for bound in bounds)
    if not lo < hi:
        raise InvalidArgumentError(f"{name} = {shown(bounds)} must be a pair of numbers, the lower first")
    return lo, hi


def _rule(above: float | None, least: float | None, below: float | None, most: float | None) -> str:
    lower, upper = above if least is None else least, below if most is None else most
    if lower is not None and upper is not None:
        return f"a number in {'(' if least is None else '['}{lower:g}, {upper:g}{')' if most is None else ']'}"
    if lower is not None:
        return f"a finite number above {lower:g}" if least is None else f"a finite number, at least {lower:g}"
    if upper is not None:
        return f"a finite number below {upper:g}" if most is None else f"a finite number, at most {upper:g}"
    return "a finite number"
