"""Parses command-line arguments into values of the library."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from banditroute.errors import InvalidArgumentError
from banditroute.policies import EpsilonGreedy, Fixed, LinTS, LinUCB, Policy, Uniform

_POLICIES = {"linucb": LinUCB, "lints": LinTS, "greedy": EpsilonGreedy, "uniform": Uniform}
_IMAGES = (".png", ".svg", ".pdf")
POLICIES_HELP = "linucb, lints, greedy, uniform, or fixed:ARM"


def policies(names: Sequence[str]) -> dict[str, Policy]:
    """Return name → policy with its default settings; ``fixed:ARM`` always chooses that arm.

    >>> policies(["linucb", "fixed:small"])
    {'linucb': LinUCB(...), 'fixed:small': Fixed(arm='small')}
    """
    result: dict[str, Policy] = {}
    for name in names:
        if name in result:
            raise InvalidArgumentError(f"policy {name!r} is given twice; give each policy once")
        kind, _, arm = name.partition(":")
        if kind == "fixed" and arm:
            result[name] = Fixed(arm)
        elif name in _POLICIES:
            result[name] = _POLICIES[name]()
        else:
            raise InvalidArgumentError(f"unknown policy {name!r}; choose from: {POLICIES_HELP}")
    return result


def weights(text: str) -> dict[str, float]:
    """Parse preferences, objective → weight.

    >>> weights("quality=1,cost_usd=0.3")
    {'quality': 1.0, 'cost_usd': 0.3}
    """
    result: dict[str, float] = {}
    for part in text.split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not (name and equals):
            raise InvalidArgumentError(f"preference {part!r} must read NAME=WEIGHT, as in quality=1,cost_usd=0.3")
        if name in result:
            raise InvalidArgumentError(f"preference {name!r} is given twice; give each objective one weight")
        result[name] = _number(f"preference {name!r}", value)
    return result


def bounds(texts: Sequence[str]) -> Mapping[str, tuple[float, float]]:
    """Parse bounds of objectives, objective → (low, high).

    >>> bounds(["cost_usd=0:0.05"])
    {'cost_usd': (0.0, 0.05)}
    """
    result: dict[str, tuple[float, float]] = {}
    for text in texts:
        name, _, pair = text.partition("=")
        low, colon, high = pair.partition(":")
        if not (name and colon):
            raise InvalidArgumentError(f"bound {text!r} must read NAME=LOW:HIGH, as in cost_usd=0:0.05")
        result[name] = _number(f"lower bound of {name!r}", low), _number(f"upper bound of {name!r}", high)
    return result


def scales(texts: Sequence[str]) -> Mapping[str, float]:
    """Parse scales of resources, objective → scale.

    >>> scales(["cost_usd=0.05"])
    {'cost_usd': 0.05}
    """
    result: dict[str, float] = {}
    for text in texts:
        name, equals, value = (piece.strip() for piece in text.partition("="))
        if not (name and equals):
            raise InvalidArgumentError(f"scale {text!r} must read NAME=VALUE, as in cost_usd=0.05")
        result[name] = _number(f"scale of {name!r}", value)
    return result


def _number(what: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InvalidArgumentError(f"{what} must be a finite number, got {text!r}")
    return value


def check_plot(file: Path | None) -> None:
    """Refuse a file for a plot that could not be written after the work is done.

    Raises:
        InvalidArgumentError: for a directory that does not exist, or a suffix of no image format.
    """
    if file is None:
        return
    if not file.parent.is_dir():
        raise InvalidArgumentError(f"--plot {file}: the directory {file.parent} does not exist; create it first")
    if file.suffix.lower() not in _IMAGES:
        raise InvalidArgumentError(f"--plot {file}: the name must end with {', '.join(_IMAGES)}")
