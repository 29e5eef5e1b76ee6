"""Objectives at their boundaries."""

import math

import numpy as np
import pytest

from banditroute.core.objectives import Objective, Objectives
from banditroute.errors import InvalidOutcomeError
from tests.core.refusals import INF, NAN, refused


def test_objectives() -> None:
    cost = Objective("cost_usd", goal="min", bounds=(1, 5))
    assert (cost.sign, cost.span, cost.group, cost.on_out_of_range) == (-1, 4.0, "response", "clip")
    assert [cost.checked(value) for value in (0, 1, 3, 5, 6)] == [1.0, 1.0, 3.0, 5.0, 5.0]
    assert [cost.on_grid(value) for value in (1, 2, 5)] == [0, 16_384, 65_536]
    quality = Objective("quality", bounds=(-1, 1))
    assert (quality.sign, quality.group, quality.on_out_of_range) == (1, "quality", "reject")
    # 1e-6 of the span is a rounding error, and the bound.
    assert [quality.checked(value) for value in (math.nextafter(1, 2), np.float32(1.0000001), -1.000001)] == [
        1,
        1,
        -1,
    ]
    for value in (1.00001, -1.00001, -1.5, NAN, -INF, "1", None):
        with pytest.raises(InvalidOutcomeError, match="outcome 'quality'"):
            quality.checked(value)
    refused(lambda name: Objective(name, bounds=(0, 1)), "objective name", "", "a b", "x" * 65, 3)
    assert Objective("x" * 64, bounds=(0, 1), group="y" * 64).group == "y" * 64
    refused(lambda goal: Objective("x", goal=goal, bounds=(0, 1)), "must be 'max' or 'min'", "most")
    refused(lambda group: Objective("x", bounds=(0, 1), group=group), "64 printable characters", "y" * 65, "\n", 3)
    refused(lambda rule: Objective("x", bounds=(0, 1), on_out_of_range=rule), "must be 'reject' or 'clip'", "warn")
    no_bounds = ((1, 1), (2, 1), (0, INF), (NAN, 1), (-1e308, 1e308), (1,), None)
    refused(lambda bounds: Objective("x", bounds=bounds), "bounds of objective 'x'", *no_bounds)


def test_how_many_there_may_be() -> None:
    several = [Objective(f"x{number}", bounds=(0, 1)) for number in range(33)]
    assert len(Objectives(several[:32]).names) == 32
    refused(Objectives, "a router needs 1 to 32 objectives, got", several, [])
    refused(Objectives, "objective names must be unique", several[:1] * 2)
