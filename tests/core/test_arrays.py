"""Contexts and feature rows at their boundaries."""

import numpy as np
import pytest

from banditroute.core.arrays import as_context, as_contexts, feature_row, from_feature_row
from banditroute.errors import InvalidContextError


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


def test_texts_are_named() -> None:
    with pytest.raises(InvalidContextError, match=r"got values of type str_$"):
        as_context(np.array(["a"]), dimension=1, limit=1.0)
