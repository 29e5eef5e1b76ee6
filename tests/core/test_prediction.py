"""Widths are worked out when somebody asks for them, and once."""

from collections.abc import Sequence

import numpy as np

from banditroute.core.arrays import FloatArray
from banditroute.core.prediction import LazyPrediction

WIDTHS = np.array([[1.0], [2.0], [2.5]])


def test_what_is_known_is_not_worked_out_again() -> None:
    asked: list[list[int] | None] = []

    def work_out(arms: Sequence[int] | None) -> FloatArray:
        asked.append(None if arms is None else list(arms))
        return WIDTHS if arms is None else WIDTHS[arms]

    lazy = LazyPrediction(np.zeros((3, 1)), 3.0, np.array([[0.5]]), work_out)
    for arms in ([], [1], [1], [1, 2], [2]):
        lazy.compute_widths(arms)
    assert asked == [[1], [2]]
    assert not lazy.is_exact
    assert lazy.width_bound.T.tolist() == [[1.5, 1.0, 1.25]]
    lazy.compute_all()
    lazy.compute_all()
    lazy.compute_widths([0])
    assert asked == [[1], [2], None]
    assert lazy.is_exact
    assert lazy.width_bound.T.tolist() == [[0.5, 1.0, 1.25]]


def test_who_asks_for_a_width_gets_the_exact_one() -> None:
    lazy = LazyPrediction(np.zeros((3, 1)), 3.0, np.array([[0.5]]), lambda arms: WIDTHS)
    assert lazy.width.T.tolist() == [[0.5, 1.0, 1.25]]
    assert lazy.is_exact
