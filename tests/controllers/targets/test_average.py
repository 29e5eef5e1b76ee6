"""Averages, by hand and over long runs."""

import numpy as np
import pytest

from banditroute.controllers import Average
from tests.controllers.lives import Life, a_situation


def test_an_average_by_hand() -> None:
    """Use is the distance from the better bound; the prediction of an arm is what it is expected to use."""
    target = Average("latency_s", at_most=6.0, bounds=(0.0, 20.0), step=0.3)
    assert target.allowed == pytest.approx(0.3)
    assert [target.used(value) for value in (0.0, 5.0, 40.0)] == pytest.approx([0.0, 0.25, 2.0])
    given = a_situation("ab")
    given.mean[:, 2] = [0.5, 0.1]  # of the objective's own bounds, 30 s
    assert target.expected(given) == pytest.approx([0.75, 0.15])
    better = Average("quality", at_least=0.8)
    assert better.allowed == pytest.approx(0.2)
    assert better.expected(a_situation("ab", [0.9, 0.25])) == pytest.approx([0.1, 0.75])


def test_an_average_is_kept() -> None:
    """b is expensive, so a serves as often as the average of quality allows: (0.8 − 0.4) / (0.9 − 0.4) of b."""
    target = Average("quality", at_least=0.8)
    life = Life(target)
    total = 0.0
    for _ in range(1000):
        given = a_situation("ab", [0.4, 0.9])
        given.mean[:, 1] = [0.0, 1.5]
        record = life.step(given)
        quality = {"a": 0.4, "b": 0.9}[record.arm]
        total += quality
        life.report(record, quality=quality)
    assert total / 1000 >= 0.79
    assert np.mean([d.arm == "b" for d in life.decisions]) == pytest.approx(0.8, abs=0.03)
