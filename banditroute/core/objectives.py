"""Objectives, the groups in which they arrive, and the preferences that weigh them."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, TypeAlias

import numpy as np

from banditroute.core.arrays import OUTCOME_UNIT, FloatArray
from banditroute.core.names import is_name, normal
from banditroute.core.numbers import as_real
from banditroute.core.shown import shown
from banditroute.core.validation import require_items, require_number
from banditroute.core.windows import OutcomeWindow
from banditroute.errors import InvalidArgumentError, InvalidOutcomeError

Preferences: TypeAlias = Mapping[str, float]

COST = "cost_usd"
RESPONSE_GROUP = "response"
RESERVED = frozenset({"decision_id", "served_arm", "source", "amend", "prompt_tokens", "output_tokens", "self"})
MAX_OBJECTIVES = 32
# Larger weights add nothing but sums that leave the floats.
MAX_WEIGHT = 1e9
MAX_LIMIT = 1_000.0
"""Sums are exact up to this many scales."""

ROUNDING = 1e-6
"""Share of the span by which a value may leave the bounds: a rounding error, as of float32."""


@dataclass(frozen=True, slots=True)
class Objective:
    """One measured dimension of an outcome.

    Attributes:
        name: A Python identifier; it is the keyword under which ``feedback`` takes the value.
        goal: Whether more is better (``"max"``) or less (``"min"``).
        bounds: ``(lo, hi)`` in the objective's own unit: the interval that is one unit of utility at weight 1. It
            is declared once and never taken from the candidates at hand. Where more is better, values outside are
            refused, except for a rounding error; (0, 1) by default. A resource (less is better, or ``scale`` is
            given) is linear beyond them.
        scale: The amount of a resource that is worth one unit of utility at weight 1: short for
            ``bounds=(0, scale)``. > 0
        limit: The largest distance of a resource's value from ``bounds[0]`` that is learned, in units of the
            scale. A value beyond is kept in the log, not learned, and counted in ``health()``. (0, 1000]
        group: Objectives of one group arrive together. By default all that are to be minimised form the group
            ``"response"`` (cost, latency: they come with the response) and every other one stands alone.
        window: How long it is waited for, and what is learned if it does not come; by default without limit. The
            same for all objectives of a group, but for the default value.

    >>> Objective("latency_s", goal="min", scale=30).scaled(7.5)
    0.25
    >>> Objective("cost_usd", goal="min", scale=0.05).scaled(0.1)
    2.0
    """

    name: str
    goal: Literal["max", "min"] = field(default="max", kw_only=True)
    bounds: tuple[float, float] = field(default=None, kw_only=True)  # type: ignore[assignment]  # set below
    scale: float | None = field(default=None, kw_only=True)
    limit: float = field(default=MAX_LIMIT, kw_only=True, compare=False)
    group: str = field(default="", kw_only=True)
    # A window may be changed in a restart: it shapes what is learned from then on, not what is stored.
    window: OutcomeWindow | None = field(default=None, kw_only=True, compare=False)

    def __post_init__(self) -> None:
        if not (isinstance(self.name, str) and self.name.isidentifier() and len(self.name) <= 64):
            raise InvalidArgumentError(
                f"objective name {shown(self.name, 80)} must be an identifier of at most 64 characters"
            )
        object.__setattr__(self, "name", normal(self.name))
        if self.name in RESERVED:
            raise InvalidArgumentError(f"objective name {self.name!r} is reserved for an argument of feedback()")
        if self.goal not in ("max", "min"):
            raise InvalidArgumentError(
                f"goal of objective {self.name!r} must be 'max' or 'min', got {self.goal!r}"
            )
        self._set_unit()
        if not is_name(self.group, longest=64):
            raise InvalidArgumentError(
                f"group of objective {self.name!r} must be a string of at most 64 printable characters"
            )
        usual = RESPONSE_GROUP if self.goal == "min" else self.name
        object.__setattr__(self, "group", normal(self.group) or usual)
        if self.window is not None and self.window.default is not None:
            default = self.checked(self.window.default)
            if not self.is_learnable(default):
                raise InvalidArgumentError(
                    f"the default of objective {self.name!r} in its window is {default:g}, beyond its limit"
                )

    def _set_unit(self) -> None:
        """Set ``bounds``, and ``scale`` of a resource, from the one that was given."""
        is_resource = self.goal == "min" or self.scale is not None
        given = (0.0, 1.0) if self.bounds is None else self.bounds
        if self.scale is not None:
            scale = require_number(f"scale of objective {self.name!r}", self.scale, above=0)
            given = (0.0, scale) if self.bounds is None else given
        bounds = _checked_bounds(self.name, given)
        if self.scale is not None and bounds[1] - bounds[0] != self.scale:
            raise InvalidArgumentError(
                f"objective {self.name!r} has scale = {self.scale!r} and bounds = {self.bounds!r}; give only one"
            )
        object.__setattr__(self, "bounds", bounds)
        object.__setattr__(self, "scale", bounds[1] - bounds[0] if is_resource else None)
        limit = require_number(f"limit of objective {self.name!r}", self.limit, above=0, most=MAX_LIMIT)
        object.__setattr__(self, "limit", limit)

    @property
    def is_resource(self) -> bool:
        """Whether its values are linear beyond the bounds, up to the limit."""
        return self.scale is not None

    @property
    def sign(self) -> int:
        """+1 where more is better, −1 where less is."""
        return 1 if self.goal == "max" else -1

    @property
    def span(self) -> float:
        """Length of the bounds, in the objective's own unit."""
        return self.bounds[1] - self.bounds[0]

    def checked(self, value: object) -> float:
        """Return ``value`` as a finite float; one that is outside natural bounds by a rounding error is the bound.

        Raises:
            InvalidOutcomeError: if it is no real number, not finite, or outside natural bounds by more than 1e-6
                of the span.
        """
        number = as_real(value)
        if number is None:
            raise InvalidOutcomeError(f"outcome {self.name!r} must be a number, got {type(value).__name__}")
        if not math.isfinite(number):
            raise InvalidOutcomeError(
                f"outcome {self.name!r} is {number}; only finite numbers are accepted",
                code="outcome.nonfinite",
            )
        lo, hi = self.bounds
        if self.is_resource or lo <= number <= hi:
            return number
        slack = ROUNDING * self.span
        if lo - slack <= number <= hi + slack:
            return min(max(number, lo), hi)
        raise InvalidOutcomeError(
            f"outcome {self.name!r} = {number!r} is outside [{lo:g}, {hi:g}]", code="outcome.range"
        )

    def scaled(self, value: float) -> float:
        """Return (value − lo) / (hi − lo); in [0, 1] between the bounds."""
        return (value - self.bounds[0]) / self.span

    def is_learnable(self, value: float) -> bool:
        """Whether a checked value is within the limit."""
        return abs(self.scaled(value)) <= self.limit

    def on_grid(self, value: float) -> int:
        """The scaled value in units of 2⁻¹⁶, the form in which it is learned and stored."""
        return round(self.scaled(value) / OUTCOME_UNIT)


def _checked_bounds(name: str, bounds: Iterable[float]) -> tuple[float, float]:
    try:
        lo, hi = (float(b) for b in bounds)
    except (TypeError, ValueError):
        raise InvalidArgumentError(
            f"bounds of objective {name!r} must be a pair of numbers, got {bounds!r}"
        ) from None
    if not (math.isfinite(hi - lo) and lo < hi):
        raise InvalidArgumentError(
            f"bounds of objective {name!r} must be finite, and so their span, with lo < hi, got ({lo:g}, {hi:g})"
        )
    return lo, hi


def _weight(name: str, weight: object) -> float:
    number = as_real(weight)
    if number is None:
        raise InvalidArgumentError(f"preference {name!r} must be a number, got {type(weight).__name__}")
    if not 0 <= number <= MAX_WEIGHT:
        raise InvalidArgumentError(
            f"preference {name!r} = {number:g} must be finite and at least 0, at most {MAX_WEIGHT:g}"
        )
    return number


class Objectives:
    """The objectives of one router, in order, with their groups."""

    def __init__(self, objectives: Sequence[Objective]) -> None:
        for objective in (items := require_items("objectives", objectives)):
            if not isinstance(objective, Objective):
                raise InvalidArgumentError(f"objectives must be Objective objects, got {type(objective).__name__}")
        names = [objective.name for objective in items]
        if not 0 < len(names) <= MAX_OBJECTIVES:
            raise InvalidArgumentError(f"a router needs 1 to {MAX_OBJECTIVES} objectives, got {len(names)}")
        if len(set(names)) < len(names):
            raise InvalidArgumentError(f"objective names must be unique, got {', '.join(names)}")
        self._items: tuple[Objective, ...] = items
        self.names = tuple(names)
        self._check_windows()

    @cached_property
    def groups(self) -> Mapping[str, tuple[int, ...]]:
        """Group → positions of its objectives."""
        groups: dict[str, tuple[int, ...]] = {}
        for i, objective in enumerate(self._items):
            groups[objective.group] = (*groups.get(objective.group, ()), i)
        return groups

    @cached_property
    def windows(self) -> Mapping[str, OutcomeWindow | None]:
        """Group → the window of its objectives."""
        return {group: self._items[positions[0]].window for group, positions in self.groups.items()}

    @cached_property
    def signs(self) -> FloatArray:
        """+1 or −1 for each objective; shape (objectives,)."""
        return np.array([objective.sign for objective in self._items], dtype=np.float64)

    def _check_windows(self) -> None:
        for group, positions in self.groups.items():
            windows = [self._items[i].window for i in positions]
            rules = {window and (window.seconds, window.missing, window.learn) for window in windows}
            if len(rules) > 1:
                raise InvalidArgumentError(f"objectives of group {group!r} must have windows of the same rules")

    def position(self, name: str) -> int:
        """Position of the objective called ``name``.

        Raises:
            InvalidOutcomeError: if there is none.
        """
        try:
            return self.names.index(normal(name) if isinstance(name, str) else name)
        except ValueError:
            known = ", ".join(sorted(self.names))
            raise InvalidOutcomeError(
                f"unknown objective {shown(name, 80)}; this router has: {known}", code="outcome.unknown"
            ) from None

    def plain(self, preferences: Preferences) -> dict[str, float]:
        """The preferences as plain numbers; raises as :meth:`weights` does."""
        self.weights(preferences)
        return {normal(name): _weight(name, weight) for name, weight in preferences.items()}

    def weights(self, preferences: Preferences) -> FloatArray:
        """Signed weights over the objectives, shape (objectives,): negative where less is better.

        Raises:
            InvalidArgumentError: for an unknown objective, or weights that are outside [0, 1e9], or all 0.
        """
        if not isinstance(preferences, Mapping):
            raise InvalidArgumentError(
                f"preferences must map objectives to weights, got {type(preferences).__name__}"
            )
        weights = np.zeros(len(self))
        for name, weight in preferences.items():
            name = normal(name) if isinstance(name, str) else name
            if name not in self.names:
                known = ", ".join(sorted(self.names))
                raise InvalidArgumentError(
                    f"preferences name an unknown objective {shown(name, 80)}; this router has: {known}"
                )
            weights[self.names.index(name)] = _weight(name, weight)
        if not weights.any():
            raise InvalidArgumentError(
                f"preferences need at least one weight above 0, got {dict(preferences)!r:.80}"
            )
        weights *= self.signs
        return weights

    def __getitem__(self, position: int) -> Objective:
        return self._items[position]

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Objective]:
        return iter(self._items)
