"""The cut of exploration."""

import numpy as np
import pytest

from banditroute.controllers.budget.exploration import affordable


def test_exploration_is_cut_where_it_is_expensive() -> None:
    chosen = np.array([0.01, 0.97, 0.01, 0.01])
    explored = np.array([0.0, 0.01, 0.01, 0.01])
    excess = np.array([[0.0], [0.1], [1.0], [90.0]])
    cut = affordable(chosen, explored, excess, np.array([0.03]))
    assert cut.sum() == pytest.approx(1.0)
    assert cut.min() > 0
    assert cut[3] == pytest.approx(0.01 / 90)
    assert cut[2] == pytest.approx(0.01)
    assert (explored @ excess)[0] > 0.9


def test_exploration_that_can_be_paid_for_stays() -> None:
    chosen = np.array([0.5, 0.5])
    assert affordable(chosen, np.array([0.0, 0.1]), np.array([[0.0], [1.0]]), np.array([0.2])) is chosen
