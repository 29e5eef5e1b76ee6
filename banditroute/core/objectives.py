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
from banditroute.core.validation import require_items
from banditroute.core.windows import OutcomeWindow
from banditroute.errors import InvalidArgumentError, InvalidOutcomeError

Preferences: TypeAlias = Mapping[str, float]

COST = "cost_usd"
RESPONSE_GROUP = "response"
RESERVED = frozenset({"decision_id", "served_arm", "source", "amend", "prompt_tokens", "output_tokens", "self"})
MAX_OBJECTIVES = 32
# Larger weights add nothing but sums that leave the floats.
MAX_WEIGHT = 1e9
ROUNDING = 1e-6
"""Share of the span by which a value may leave the bounds: a rounding error, as of float32."""


@dataclass(frozen=True, slots=True)
class Objective:
    """One measured dimension of an outcome.

    Attributes:
        name: A Python identifier; it is the keyword under which ``feedback`` takes the value.
        goal: Whether more is better (``"max"``) or less (``"min"``).
        bounds: ``(lo, hi)`` in the objective's own unit. They give a weight its meaning, so they are declared
            once and never taken from the candidates at hand.
        group: Objectives of one group arrive together. By default all that are to be minimised form the group
            ``"response"`` (cost, latency: they come with the response) and every other one stands alone.
        on_out_of_range: ``"reject"`` (default where more is better) or ``"clip"`` (default for costs) a value
            outside the bounds.
        window: How long it is waited for, and what is learned if it does not come; by default without limit. The
            same for all objectives of a group, but for the default value.

    >>> Objective("latency_s", goal="min", bounds=(0, 30)).scaled(7.5)
    0.25
    """

    name: str
    goal: Literal["max", "min"] = field(default="max", kw_only=True)
    bounds: tuple[float, float] = field(default=(0.0, 1.0), kw_only=True)
    group: str = field(default="", kw_only=True)
    on_out_of_range: Literal["reject", "clip", ""] = field(default="", kw_only=True)
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
        object.__setattr__(self, "bounds", _checked_bounds(self.name, self.bounds))
        if not is_name(self.group, longest=64):
            raise InvalidArgumentError(
                f"group of objective {self.name!r} must be a string of at most 64 printable characters"
            )
        usual = RESPONSE_GROUP if self.goal == "min" else self.name
        object.__setattr__(self, "group", normal(self.group) or usual)
        rule = self.on_out_of_range or ("clip" if self.goal == "min" else "reject")
        if rule not in ("reject", "clip"):
            raise InvalidArgumentError(
                f"on_out_of_range of objective {self.name!r} must be 'reject' or 'clip', got {rule!r}"
            )
        object.__setattr__(self, "on_out_of_range", rule)
        if self.window is not None and self.window.default is not None:
            self.checked(self.window.default)

    @property
    def sign(self) -> int:
        """+1 where more is better, −1 where less is."""
        return 1 if self.goal == "max" else -1

    @property
    def span(self) -> float:
        """Length of the bounds, in the objective's own unit."""
        return self.bounds[1] - self.bounds[0]

    def checked(self, value: object) -> float:
        """Return ``value`` as a finite float inside the bounds (clipped if the objective says so).

        A value outside by at most 1e-6 of the span is taken for the bound.

        Raises:
            InvalidOutcomeError: if it is no real number, not finite, or outside bounds that reject.
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
        if lo <= number <= hi:
            return number
        slack = ROUNDING * self.span
        if self.on_out_of_range == "clip" or lo - slack <= number <= hi + slack:
            return min(max(number, lo), hi)
        raise InvalidOutcomeError(
            f"outcome {self.name!r} = {number!r} is outside [{lo:g}, {hi:g}]", code="outcome.range"
        )

    def scaled(self, value: float) -> float:
        """Map the bounds to [0, 1]; (value − lo) / (hi − lo)."""
        return (value - self.bounds[0]) / self.span

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
