"""The specification of a router at its boundaries."""

import math
from typing import Any

from banditroute.core.objectives import Objectives
from banditroute.core.spec import RouterSpec
from banditroute.policies import LinUCB
from banditroute.testing import SPEC
from tests.core.refusals import NAN, refused


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
    refused(lambda features: spec(features=features), "must be 1 to 4096, or that many names", 0, 4_097)
    refused(lambda features: spec(features=features), "features must be 1 to 4096 names, got 0", [])
    refused(lambda features: spec(features=features), "features must be a count or names", 1.5, True, "ab")
    refused(lambda features: spec(features=features), "feature names must be unique", ["a", "a"])
    refused(lambda policy: spec(policy=policy), "must be a policy object", LinUCB, None, object())
    assert spec(policy=LinUCB(alpha=0.25)).policy.items() >= {"name": "LinUCB", "alpha": 0.25}.items()
