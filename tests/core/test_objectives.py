"""Objectives at their boundaries."""

import math
from dataclasses import replace

import numpy as np
import pytest

from banditroute.core.objectives import Objective, Objectives
from banditroute.core.windows import OutcomeWindow
from banditroute.errors import InvalidArgumentError, InvalidOutcomeError
from tests.core.refusals import INF, NAN, refused


def test_objectives() -> None:
    cost = Objective("cost_usd", goal="min", bounds=(1, 5))
    assert (cost.sign, cost.span, cost.group, cost.scale, cost.is_resource) == (-1, 4.0, "response", 4.0, True)
    assert [cost.checked(value) for value in (-7, 1, 3, 5, 6e9)] == [-7.0, 1.0, 3.0, 5.0, 6e9]
    assert [cost.on_grid(value) for value in (1, 2, 5, 9, -3)] == [0, 16_384, 65_536, 131_072, -65_536]
    assert [cost.is_learnable(value) for value in (4_001, 4_001.1, -3_999, -3_999.1)] == [True, False, True, False]
    quality = Objective("quality", bounds=(-1, 1))
    assert (quality.sign, quality.group, quality.scale, quality.is_resource) == (1, "quality", None, False)
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
    no_bounds = ((1, 1), (2, 1), (0, INF), (NAN, 1), (-1e308, 1e308), (1,), 5)
    refused(lambda bounds: Objective("x", bounds=bounds), "bounds of objective 'x'", *no_bounds)


def test_how_many_there_may_be() -> None:
    several = [Objective(f"x{number}", bounds=(0, 1)) for number in range(33)]
    assert len(Objectives(several[:32]).names) == 32
    refused(Objectives, "a router needs 1 to 32 objectives, got", several, [])
    refused(Objectives, "objective names must be unique", several[:1] * 2)


def test_a_scale_is_short_for_bounds_from_0() -> None:
    cost = Objective("cost_usd", goal="min", scale=0.05)
    assert cost == Objective("cost_usd", goal="min", bounds=(0, 0.05))
    assert (cost.bounds, cost.scale, cost.limit) == ((0.0, 0.05), 0.05, 1_000.0)
    assert replace(cost, name="other").bounds == (0.0, 0.05)
    assert replace(Objective("x", goal="min", bounds=(2, 5)), name="y").bounds == (2.0, 5.0)
    throughput = Objective("tokens_per_second", scale=100)
    assert (throughput.sign, throughput.is_resource, throughput.scaled(250)) == (1, True, 2.5)
    refused(lambda scale: Objective("x", goal="min", scale=scale), "scale of objective 'x'", 0, -1, INF, NAN, "1")
    refused(
        lambda limit: Objective("x", goal="min", limit=limit), "limit of objective 'x'", 0, -1, 1_001, NAN, "1"
    )
    refused(lambda bounds: Objective("x", scale=2, bounds=bounds), "give only one", (0, 1), (1, 4))


def test_the_default_of_a_window_is_within_the_limit() -> None:
    window = OutcomeWindow(60, missing="default", default=11.0)
    assert Objective("latency_s", goal="min", limit=11, window=window).window == window
    with pytest.raises(InvalidArgumentError, match="11, beyond its limit"):
        Objective("latency_s", goal="min", limit=10, window=window)
