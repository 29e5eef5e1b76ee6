"""The lift, by hand and over long runs."""

from typing import Any

import numpy as np
import pytest

from banditroute.controllers import Holdout
from banditroute.learning.confidence import stitched_boundary
from tests.controllers.lives import Life, a_situation, certain
from tests.controllers.rollout.sides import lifted, mostly_a


def test_a_lift_by_hand() -> None:
    """Weights (p − h) / π: of a .75 / .6, of c −1 / .2; outcomes less the mean of those before, at first ½."""
    holdout = Holdout(0.2, incumbent="c")
    life = Life(holdout, mostly_a)
    first, second = (life.step(a_situation("abc"), arm=arm) for arm in "ac")
    life.report(first, quality=1.0)
    life.report(second, quality=0.75)
    terms = [1.25 * 0.5, -5.0 * (0.75 - 1.0)]
    lift = holdout.lift()["quality"]
    assert lift.mean == pytest.approx(sum(terms) / 2)
    half = stitched_boundary(sum(t * t for t in terms), scale=5.0, error=0.025) / 2
    assert (lift.low, lift.high) == pytest.approx((lift.mean - half, lift.mean + half))
    assert lift.reports == 2
    life.report(second, previous=True, quality=1.0)
    assert holdout.lift()["quality"].mean == pytest.approx(terms[0] / 2)
    life.report(second, cost_usd=1.0)
    assert holdout.lift()["quality"].reports == 2


def test_where_both_do_the_same_nothing_is_added() -> None:
    holdout = Holdout(0.2, incumbent="a")
    life = Life(holdout, lambda given: certain(given, "a"))
    for quality in (0.2, 0.9, 0.5):
        life.report(life.step(a_situation("abc")), quality=quality)
    assert holdout.lift()["quality"].mean == 0.0


@pytest.mark.parametrize("by", ["request", "session"])
def test_the_lift_is_found(by: Any) -> None:
    inside, means = 0, []
    for seed in range(8):
        holdout = Holdout(0.3, incumbent="c", by=by)
        lifted(holdout, seed=seed)
        lift = holdout.lift()["quality"]
        inside += lift.low <= 0.3 <= lift.high
        means.append(lift.mean)
    assert inside == 8
    assert np.mean(means) == pytest.approx(0.3, abs=0.04)


def test_control_without_weights_the_lift_is_not_found() -> None:
    """The plain difference to what all requests yielded is diluted."""
    life = lifted(Holdout(0.3, incumbent="c"))
    share = np.mean([d.arm == "c" for d in life.decisions])
    assert share * 0.3 < 0.12
