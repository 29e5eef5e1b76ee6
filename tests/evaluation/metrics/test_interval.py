"""Student's interval."""

import math

import numpy as np
import pytest

from banditroute.evaluation import (
    Interval,
)


def test_interval_is_students_and_undefined_for_one_seed() -> None:
    interval = Interval.of(np.array([2.0, 4.0]))
    assert interval.mean == 3.0
    assert interval.half == pytest.approx(12.7062, abs=1e-3)
    assert math.isnan(Interval.of(np.array([2.0])).low)
    assert Interval.of(np.array([2.0])).to_dict() == {"mean": 2.0, "low": None, "high": None}
    assert Interval.of(np.array([1.0, math.nan])).to_dict() == {"mean": None, "low": None, "high": None}
