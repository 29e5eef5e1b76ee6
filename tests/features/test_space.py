"""The space of features: names, widths and their limits."""

from dataclasses import replace

import pytest

from banditroute.errors import InvalidContextError
from banditroute.features.space import FeatureSpace
from banditroute.testing import SPEC


def test_a_feature_space() -> None:
    space = FeatureSpace(replace(SPEC, feature_names=("a", "b", "c")))
    assert space.vector({"c": 3.0, "a": 1.0, "b": 2.0}).tolist() == [1.0, 2.0, 3.0]
    with pytest.raises(InvalidContextError, match=r"differs in: \['c', 'd'\]"):
        space.vector({"a": 1.0, "b": 2.0, "d": 3.0})
    values = space.matrix([[1.0, 2.0, 3.0]])
    assert space.row(values).shape == (1, 4)
    space.dimension = 2
    with pytest.raises(InvalidContextError, match="context has 3 features, expected 2"):
        space.row(values)
    with pytest.raises(InvalidContextError, match="the router's features have no names"):
        FeatureSpace(SPEC).vector({"a": 1.0})
    space.dimension = None
    assert space.vector([0.0] * 4_096).shape == (4_096,)
    with pytest.raises(InvalidContextError, match="context has 4097 features, a router takes at most 4096"):
        space.vector([0.0] * 4_097)
