"""Reported outcomes, checked and completed to objective groups."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from banditroute.core.arms import MAX_TOKENS, Price
from banditroute.core.names import normal
from banditroute.core.numbers import as_real
from banditroute.core.objectives import COST, Objectives
from banditroute.core.shown import shown
from banditroute.errors import InvalidOutcomeError

TOKENS = ("prompt_tokens", "output_tokens")


@dataclass(frozen=True, slots=True)
class Outcome:
    """The reported values of one objective group.

    Attributes:
        group: The group; all its objectives are there.
        reported: Value of each objective in its own unit, as reported, and token counts if they were.
    """

    group: str
    reported: Mapping[str, float]

    def on_grid(self, objectives: Objectives, *, price_factor: float) -> tuple[int, ...] | None:
        """Return the values to learn: scaled, on the grid, dollars at the arm's reference price.

        None if one of them is beyond the limit of its objective: then none of the group is learned.
        """
        values = []
        for position in objectives.groups[self.group]:
            objective = objectives[position]
            value = self.reported[objective.name]
            if objective.name == COST and price_factor > 0:
                value /= price_factor
            if not objective.is_learnable(value):
                return None
            values.append(objective.on_grid(value))
        return tuple(values)


def beyond_limit(objectives: Objectives, outcomes: Mapping[str, float]) -> tuple[str, ...]:
    """Return the objectives whose reported values are beyond their limits."""
    return tuple(
        objective.name
        for objective in objectives
        if objective.name in outcomes and not objective.is_learnable(outcomes[objective.name])
    )


def merged(outcomes: object, more: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return outcomes that were given as a mapping and as keywords.

    Raises:
        InvalidOutcomeError: if ``outcomes`` is no mapping, or an objective is given twice.
    """
    if not isinstance(outcomes, Mapping):
        raise InvalidOutcomeError(f"outcomes must map objectives to values, got {type(outcomes).__name__}")
    twice = sorted(str(name) for name in outcomes.keys() & more.keys())
    if twice:
        raise InvalidOutcomeError(f"outcomes are given twice: {', '.join(twice)}")
    return {**outcomes, **more}


def plain_outcomes(outcomes: Mapping[str, Any]) -> dict[str, Any]:
    """Return outcomes with names in their normal form, and floats in place of all numbers."""
    plain = {}
    for name, value in outcomes.items():
        number = None if isinstance(value, bool | np.bool_) and name in TOKENS else as_real(value)
        plain[normal(name) if isinstance(name, str) else name] = value if number is None else number
    return plain


def outcomes_by_group(
    objectives: Objectives, reported: Mapping[str, Any], arm: str, price: Price | None
) -> tuple[Outcome, ...]:
    """Check everything that was reported at once, before any of it is used.

    Dollars are derived from ``prompt_tokens`` and ``output_tokens`` by ``price``, that of ``arm`` when the
    decision was made, unless they are given.

    Raises:
        InvalidOutcomeError: for an unknown objective, a value that is no finite number inside its bounds, a
            group of which only a part was given, or nothing at all.
    """
    values = {name: value for name, value in reported.items() if name not in TOKENS}
    tokens = _tokens(reported)
    if tokens and COST not in objectives.names:
        raise InvalidOutcomeError(f"token counts need an objective {COST!r}, which this router does not have")
    if tokens and COST not in values:
        if price is None:
            raise InvalidOutcomeError(f"token counts need a price, and arm {arm!r} has none; give {COST} instead")
        values[COST] = price.cost_usd(prompt_tokens=tokens[TOKENS[0]], output_tokens=tokens[TOKENS[1]])
    if not values:
        raise InvalidOutcomeError("feedback needs at least one outcome", code="outcome.missing")
    checked = {name: objectives[objectives.position(name)].checked(value) for name, value in values.items()}
    groups = dict.fromkeys(objectives[objectives.position(name)].group for name in checked)
    outcomes = []
    for group in groups:
        names = [objectives[position].name for position in objectives.groups[group]]
        missing = [name for name in names if name not in checked]
        if missing:
            raise InvalidOutcomeError(
                f"objective group {group!r} needs: {', '.join(names)}; missing: {', '.join(missing)}",
                code="outcome.missing",
            )
        reported_here = {name: checked[name] for name in names}
        outcomes.append(Outcome(group, reported_here | tokens if COST in names else reported_here))
    return tuple(outcomes)


def _tokens(reported: Mapping[str, Any]) -> dict[str, float]:
    given = {name: reported[name] for name in TOKENS if reported.get(name) is not None}
    if not given:
        return {}
    if len(given) < len(TOKENS):
        raise InvalidOutcomeError(f"token counts need both {TOKENS[0]} and {TOKENS[1]}", code="outcome.missing")
    for name, value in given.items():
        number = None if isinstance(value, bool | np.bool_) else as_real(value)
        if number is None or not 0 <= number <= MAX_TOKENS:
            raise InvalidOutcomeError(f"{name} = {shown(value, 40)} must be a number of tokens, at least 0")
    return {name: float(value) for name, value in given.items()}
