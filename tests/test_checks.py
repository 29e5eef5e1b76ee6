"""Input checks at their boundaries: the last accepted value, and the first refused one."""

import math
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from banditroute.core.arms import MAX_TOKENS, Arm, Price
from banditroute.core.arrays import as_context, as_contexts, as_real, feature_row, from_feature_row
from banditroute.core.objectives import Objective, Objectives
from banditroute.core.outcomes import outcomes_by_group
from banditroute.core.spec import RouterSpec
from banditroute.core.windows import OutcomeWindow
from banditroute.errors import InvalidArgumentError, InvalidContextError, InvalidOutcomeError, SnapshotCorruptError
from banditroute.features.space import FeatureSpace
from banditroute.learning import ExactSums, SumsTable, decode, encode
from banditroute.learning.sums.codec import seal
from banditroute.policies import LinUCB
from banditroute.testing import SPEC

NAN, INF = math.nan, math.inf
TINY = 5e-324
BELOW_1 = math.nextafter(1.0, 0.0)


def refused(make: Callable[..., object], sentence: str, *values: Any) -> None:
    for value in values:
        with pytest.raises(InvalidArgumentError, match=sentence):
            make(value)


def test_arms_and_prices() -> None:
    assert Arm("x" * 200, max_output_tokens=MAX_TOKENS).name == "x" * 200
    assert Arm("x", max_output_tokens=1, prior={"quality": 1}).prior == {"quality": 1.0}
    refused(Arm, "must be 1 to 200 printable characters", "", "x" * 201, "a\nb", None)
    refused(lambda n: Arm("x", max_output_tokens=n), "must be an integer from 1 to", 0, MAX_TOKENS + 1, True, 1.0)
    refused(lambda price: Arm("x", price=price), "must be a Price, got float", 0.1)
    refused(lambda prior: Arm("x", prior=prior), "must map objectives to values", [1.0])
    refused(lambda value: Arm("x", prior={"quality": value}), "prior 'quality'", NAN, INF, "1", None)
    assert Price(input=0, output=1e-9).cost_usd(prompt_tokens=2_000_000, output_tokens=3_000_000) == 3e-9
    refused(lambda usd: Price(input=usd, output=1), "price input = ", -1, 1e-30, 1e30, NAN, "1")
    refused(lambda usd: Price(input=1, output=usd), "price output = ", -1, 1e-30, 1e30, NAN, "1")


def test_windows() -> None:
    assert OutcomeWindow(seconds=1e-6).microseconds == 1
    refused(
        lambda seconds: OutcomeWindow(seconds=seconds), "must be a finite number above 0", 0, -1, NAN, INF, "1"
    )
    refused(
        lambda missing: OutcomeWindow(seconds=1, missing=missing),
        "must be 'ignore', 'default' or 'censor'",
        "drop",
    )
    refused(lambda learn: OutcomeWindow(seconds=1, learn=learn), "must be 'on_arrival' or 'after_window'", "never")
    refused(
        lambda missing: OutcomeWindow(seconds=1, missing=missing, default=0.0),
        "needs a default",
        "ignore",
        "censor",
    )
    refused(lambda missing: OutcomeWindow(seconds=1, missing=missing), "needs a default", "default")
    ends = [OutcomeWindow(seconds=1), OutcomeWindow(seconds=1, learn="after_window")]
    ends += [OutcomeWindow(seconds=1, missing="default", default=0.0), OutcomeWindow(seconds=1, missing="censor")]
    assert [window.learns_on_close for window in ends] == [False, True, True, False]


def test_objectives() -> None:
    cost = Objective("cost_usd", goal="min", bounds=(1, 5))
    assert (cost.sign, cost.span, cost.group, cost.on_out_of_range) == (-1, 4.0, "response", "clip")
    assert [cost.checked(value) for value in (0, 1, 3, 5, 6)] == [1.0, 1.0, 3.0, 5.0, 5.0]
    assert [cost.on_grid(value) for value in (1, 2, 5)] == [0, 16_384, 65_536]
    quality = Objective("quality", bounds=(-1, 1))
    assert (quality.sign, quality.group, quality.on_out_of_range) == (1, "quality", "reject")
    for value in (math.nextafter(1, 2), -1.5, NAN, -INF, "1", None):
        with pytest.raises(InvalidOutcomeError, match="outcome 'quality'"):
            quality.checked(value)
    refused(lambda name: Objective(name, bounds=(0, 1)), "objective name", "", "a b", "x" * 65, 3)
    assert Objective("x" * 64, bounds=(0, 1), group="y" * 64).group == "y" * 64
    refused(lambda goal: Objective("x", goal=goal, bounds=(0, 1)), "must be 'max' or 'min'", "most")
    refused(lambda group: Objective("x", bounds=(0, 1), group=group), "64 printable characters", "y" * 65, "\n", 3)
    refused(lambda rule: Objective("x", bounds=(0, 1), on_out_of_range=rule), "must be 'reject' or 'clip'", "warn")
    no_bounds = ((1, 1), (2, 1), (0, INF), (NAN, 1), (-1e308, 1e308), (1,), None)
    refused(lambda bounds: Objective("x", bounds=bounds), "bounds of objective 'x'", *no_bounds)


def test_outcomes() -> None:
    quality = Objective("quality", bounds=(0, 1))
    objectives = Objectives([quality, Objective("cost_usd", goal="min", bounds=(0, 1))])
    tokens = {"prompt_tokens": 1_000_000, "output_tokens": 0.5e6}
    (found,) = outcomes_by_group(objectives, tokens, "small", Price(input=0.25, output=0.5))
    assert (found.group, found.reported) == ("response", {"cost_usd": 0.5, **tokens})
    assert found.on_grid(objectives, price_factor=1.0) == (32_768,)
    assert found.on_grid(objectives, price_factor=2.0) == (16_384,)
    assert found.on_grid(objectives, price_factor=0.25) == (65_536,)
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


def test_contexts() -> None:
    taken = as_context([-2.0, 2.0, 0.25], dimension=3, limit=2.0)
    assert (taken.dtype.name, taken.tolist()) == ("float64", [-2.0, 2.0, 0.25])
    assert feature_row(taken, intercept=True).tolist() == [-65_536, 65_536, 8_192, 32_768]
    assert from_feature_row(feature_row(taken, intercept=False)).tolist() == taken.tolist()
    with pytest.raises(InvalidContextError, match=r"^context\[1\]\[0\] = 2.5 is outside \[-2, 2\]$"):
        as_contexts([[0.0], [2.5]], dimension=1, limit=2.0)
    with pytest.raises(InvalidContextError, match=r"^contexts must be 2-D"):
        as_contexts([0.0], dimension=None, limit=2.0)
    with pytest.raises(InvalidContextError, match=r"^context has 0 features, expected at least 1$"):
        as_context(np.empty(0), dimension=None, limit=2.0)
    with pytest.raises(InvalidContextError, match=r"^context has 1 features, expected 2$"):
        as_context([0.0], dimension=2, limit=2.0)
    assert [as_real(value) for value in (1, True, np.float32(0.5), b"1", object())] == [1.0, 1.0, 0.5, None, None]


def test_a_feature_space() -> None:
    space = FeatureSpace(SPEC, ["a", "b", "c"])
    assert space.vector({"c": 3.0, "a": 1.0, "b": 2.0}).tolist() == [1.0, 2.0, 3.0]
    with pytest.raises(InvalidContextError, match=r"differs in: \['c', 'd'\]"):
        space.vector({"a": 1.0, "b": 2.0, "d": 3.0})
    values = space.matrix([[1.0, 2.0, 3.0]])
    assert space.row(values).shape == (1, 4)
    space.dimension = 2
    with pytest.raises(InvalidContextError, match="context has 3 features, expected 2"):
        space.row(values)
    with pytest.raises(InvalidContextError, match="the router's features have no names"):
        FeatureSpace(SPEC, None).vector({"a": 1.0})
    space.dimension = None
    assert space.vector([0.0] * 4_096).shape == (4_096,)
    with pytest.raises(InvalidContextError, match="context has 4097 features, a router takes at most 4096"):
        space.vector([0.0] * 4_097)


def test_a_spec() -> None:
    def spec(**changes: Any) -> RouterSpec:
        settings: dict[str, Any] = {"name": "x", "tenant": "", "features": 3, "x_max": 4.0, "policy": LinUCB()}
        settings |= changes
        return RouterSpec.of(objectives=Objectives(SPEC.objectives), intercept=True, **settings)

    for name in ("name", "tenant"):
        assert getattr(spec(**{name: "y" * 200}), name) == "y" * 200
        refused(lambda text, name=name: spec(**{name: text}), f"router {name} .* must be", "y" * 201, "\n", None)
    refused(lambda text: spec(name=text), "router name '' must be 1 to 200 printable characters", "")
    assert (spec(x_max=64).x_max, spec(features=4_096).dimension) == (64.0, 4_096)
    assert (spec(features=["a", "b"]).dimension, spec(features=None).dimension) == (2, None)
    refused(lambda x_max: spec(x_max=x_max), "x_max = ", 0, -1, math.nextafter(64, 65), NAN, "1")
    refused(
        lambda features: spec(features=features), "must be 1 to 4096, or that many names", 0, 4_097, True, "ab", []
    )
    refused(lambda features: spec(features=features), "features must be a count or names", 1.5)
    refused(lambda features: spec(features=features), "feature names must be unique", ["a", "a"])
    refused(lambda policy: spec(policy=policy), "must be a policy object", LinUCB, None, object())
    assert spec(policy=LinUCB(alpha=0.25)).policy.items() >= {"name": "LinUCB", "alpha": 0.25}.items()


def test_the_largest_of_everything() -> None:
    several = [Objective(f"x{number}", bounds=(0, 1)) for number in range(33)]
    assert len(Objectives(several[:32]).names) == 32
    refused(Objectives, "a router needs 1 to 32 objectives, got", several, [])
    refused(Objectives, "objective names must be unique", several[:1] * 2)
    for usd in (1e-9, 1e9):
        assert (Price(input=usd, output=usd).input, Price(input=0, output=usd).output) == (usd, usd)
    assert SumsTable(4_097, {"quality": 1}).dimension == 4_097
    refused(lambda d: SumsTable(d, {"quality": 1}), r"is outside \[1, 4097\]", 0, 4_098)
    widest = ExactSums(1, 32)
    assert decode(encode(widest)) == widest
    for dimension, sentence in (
        (4_097, "bytes were announced, 0 are there"),
        (4_098, "dimension 4098 with 1 outcomes"),
    ):
        with pytest.raises(SnapshotCorruptError, match=sentence):
            decode(seal(b"BRxs", 1, struct.pack("<IHq", dimension, 1, 0)))


def test_no_tokens_cost_nothing_and_texts_are_named() -> None:
    objectives = Objectives([Objective("cost_usd", goal="min", bounds=(0, 1))])
    nothing = {"prompt_tokens": 0, "output_tokens": 0}
    (found,) = outcomes_by_group(objectives, nothing, "small", Price(input=1, output=1))
    assert found.reported["cost_usd"] == 0.0
    with pytest.raises(InvalidContextError, match=r"got values of type str_$"):
        as_context(np.array(["a"]), dimension=1, limit=1.0)
