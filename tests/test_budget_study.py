"""Runs the study of budgets on small data, and checks its measures."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from simulations.budget.data import Split, splits
from simulations.budget.drills import moving, settled
from simulations.budget.hindsight import fitted
from simulations.budget.run import mixture
from simulations.budget.stream import BUDGET, RIVALS, learn_history, play
from simulations.budget.study import CONFIG, setting


def test_the_configuration_states_the_table_of_the_paper() -> None:
    config = CONFIG["dollars"]
    lengths = {
        len(config[name]) for name in ("budgets", "published", "least", "published_cost", "hindsight_ridge")
    }
    assert lengths == {6}


def test_splits_are_those_of_the_wheel() -> None:
    parts = splits()
    assert [len(parts[name].X) for name in ("val", "test")] == [1785, 1824]
    assert parts["test"].usd.mean(axis=0) == pytest.approx([2.858e-5, 5.268e-4, 1.51556e-2], rel=1e-3)


@pytest.mark.parametrize("controller", [BUDGET, *RIVALS])
def test_every_controller_plays_warm(controller: str, tmp_path: Path) -> None:
    history = splits()["val"].take(np.arange(40))
    stream = splits()["test"].take(np.arange(60))
    how = setting(controller, 6.6e-4, warm=True)
    learn_history(how, history, tmp_path / "log.db")
    run = play(how, stream, 1, history=tmp_path / "log.db")
    again = play(how, stream, 1, history=tmp_path / "log.db", restart_at=31)
    assert run.arm.tobytes() == again.arm.tobytes()
    assert run.propensity.tobytes() == again.propensity.tobytes()
    assert run.usd.tolist() == stream.usd[np.arange(60), run.arm].tolist()


def test_an_arm_that_arrives_can_be_chosen_from_then_on() -> None:
    stream = splits()["test"].take(np.arange(60))
    how = replace(setting(BUDGET, 5e-2, warm=False), floor=0.9)
    first = stream.arms[:2]

    def arrive(router: object) -> None:
        from banditroute import Arm, Router

        assert isinstance(router, Router)
        router.add_arm(Arm(stream.arms[2]))

    run = play(how, stream, 2, arms=first, events={30: arrive})
    assert set(run.arm[:30]) == {0, 1}
    assert 2 in run.arm[30:]


def test_measures() -> None:
    assert moving(np.arange(5.0), 2).tolist() == [0.5, 1.5, 2.5, 3.5]
    assert settled(np.repeat([0.0, 1.0], [100, 100]), 1.0) == 145
    assert settled(np.zeros(80), 1.0) == 80
    assert mixture(6.6e-4) == pytest.approx(0.923, abs=5e-4)


@pytest.mark.parametrize(("usd", "quality", "share"), [(2.0, 0.65, 0.5), (9.0, 0.9, 1.0), (0.5, 0.4, 0.0)])
def test_hindsight_by_hand(usd: float, quality: float, share: float) -> None:
    """Equal requests get a mixture; if the budget is below the cheapest arm, that arm serves all."""
    rows = np.ones((4, 2))
    alike = Split(("cheap", "expensive"), np.zeros((4, 3)), rows * [0.4, 0.9], rows * [1.0, 3.0])
    found = fitted(alike, alike, usd)
    assert found.quality == pytest.approx(quality)
    assert found.shares[1] == pytest.approx(share)
