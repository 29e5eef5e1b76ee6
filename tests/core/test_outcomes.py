"""Reported outcomes, by group and on the grid."""

from typing import Any

import pytest

from banditroute.core.arms import MAX_TOKENS, Price
from banditroute.core.objectives import Objective, Objectives
from banditroute.core.outcomes import outcomes_by_group
from banditroute.errors import InvalidOutcomeError
from tests.core.refusals import NAN


def test_outcomes() -> None:
    quality = Objective("quality", bounds=(0, 1))
    objectives = Objectives([quality, Objective("cost_usd", goal="min", bounds=(0, 1))])
    tokens = {"prompt_tokens": 1_000_000, "output_tokens": 0.5e6}
    (found,) = outcomes_by_group(objectives, tokens, "small", Price(input=0.25, output=0.5))
    assert (found.group, found.reported) == ("response", {"cost_usd": 0.5, **tokens})
    assert found.on_grid(objectives, price_factor=1.0) == (32_768,)
    assert found.on_grid(objectives, price_factor=2.0) == (16_384,)
    assert found.on_grid(objectives, price_factor=0.25) == (131_072,)
    assert found.on_grid(objectives, price_factor=0.0005) == (65_536_000,)
    assert found.on_grid(objectives, price_factor=0.00049) is None
    assert found.on_grid(objectives, price_factor=0.0) == (32_768,)
    given = outcomes_by_group(objectives, {**tokens, "cost_usd": 0.1, "quality": 1}, "small", None)
    assert [outcome.reported.get("cost_usd") for outcome in given] == [0.1, None]

    def refuse(reported: dict[str, Any], sentence: str, of: Objectives = objectives) -> None:
        with pytest.raises(InvalidOutcomeError, match=sentence):
            outcomes_by_group(of, reported, "small", None)

    refuse({}, "at least one outcome")
    refuse(tokens, "arm 'small' has none; give cost_usd instead")
    refuse(tokens, "token counts need an objective 'cost_usd'", Objectives([quality]))
    for name in tokens:
        refuse({name: 1}, "need both prompt_tokens and output_tokens")
        for count in (-1, MAX_TOKENS * 2, NAN, True, "7"):
            refuse({**tokens, name: count}, f"{name} = .* must be a number of tokens, at least 0")


def test_no_tokens_cost_nothing() -> None:
    objectives = Objectives([Objective("cost_usd", goal="min", bounds=(0, 1))])
    nothing = {"prompt_tokens": 0, "output_tokens": 0}
    (found,) = outcomes_by_group(objectives, nothing, "small", Price(input=1, output=1))
    assert found.reported["cost_usd"] == 0.0
