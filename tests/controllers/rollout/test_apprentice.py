"""When an apprentice is promoted."""

import pytest

from banditroute.controllers import Apprentice
from banditroute.learning.confidence import stitched_boundary
from tests.controllers.lives import Life, a_situation
from tests.controllers.rollout.sides import lifted, mostly_a


def test_an_apprentice_is_promoted_by_its_lift() -> None:
    apprentice = Apprentice("c", share=0.3)
    life = lifted(apprentice)
    assert apprentice.promoted
    modes = [record.effects["apprentice"].get("mode", "live") for record in life.decisions]
    assert 200 < modes.index("live") < 1400
    assert set(modes[modes.index("live") :]) == {"live"}
    assert life.decisions[0].probabilities == pytest.approx([0.225, 0.075, 0.7])
    assert life.decisions[-1].probabilities.tolist() == [0.75, 0.25, 0.0]


def test_control_an_apprentice_that_does_no_better_is_not() -> None:
    for seed in range(5):
        apprentice = Apprentice("b", share=0.3)
        lifted(apprentice, seed=seed, requests=800)
        assert not apprentice.promoted


def test_an_apprentice_is_promoted_by_agreement() -> None:
    """Without any feedback, when the lower bound of the overlap, here always ¾, is above what is asked for."""
    apprentice = Apprentice("a", share=0.2, agreement=0.6)
    life = Life(apprentice, mostly_a)
    while not apprentice.promoted:
        life.step(a_situation("abc"))
    count = len(life.decisions)
    assert apprentice.agreement == pytest.approx(0.75)
    guesses = 0.75**2  # of the first request, of which nothing was guessed
    assert 0.75 - stitched_boundary(guesses, scale=1.0, error=0.025) / count >= 0.6
    assert 0.75 - stitched_boundary(guesses, scale=1.0, error=0.025) / (count - 1) < 0.6
