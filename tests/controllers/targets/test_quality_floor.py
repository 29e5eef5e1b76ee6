"""The quality floor: savings by hand, and against worlds that mean it ill."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from banditroute.controllers import QualityFloor
from banditroute.core.arrays import FloatArray
from banditroute.errors import InvalidArgumentError
from banditroute.learning.confidence import stitched_boundary
from banditroute.testing.policies import believing
from tests.controllers.lives import Life, a_situation, certain, greedy, without

FLOOR: dict[str, Any] = {"at_least": 0.9, "widths": 2.0, "confidence": 0.95}


def predicting(quality: float) -> Any:
    """Return a function that predicts this quality of the baseline in every context."""

    def predict(rows: Any) -> tuple[FloatArray, FloatArray]:
        mean = np.zeros((len(rows), 2, 3))
        mean[:, 0, 0] = quality
        return mean, np.full(mean.shape, 0.05)

    return predict


def test_savings_by_hand() -> None:
    """Arm a is the baseline; with widths of .05, a is predicted between .5 and .7, b between .8 and 1.

    A few reports are no evidence of what is expected, so that only what is awaited counts in expectation, and
    only what was reported counts as it happened.
    """
    floor = QualityFloor("a", **FLOOR)
    life = Life(floor)
    given = a_situation("ab", [0.6, 0.9])
    for number in range(10):
        held = life.step(given)
        assert (held.arm, held.effects["quality floor"]["mode"]) == ("a", "held")
        assert held.effects["quality floor"]["not_covered"] == ["b"]
        assert floor.slack == pytest.approx(min(0.1 * 0.5, 0.1 * number))
        life.report(held, quality=1.0)
        assert floor.slack == 0.0
    # As it happened 1.0 is saved, which covers .9; in expectation .8 is awaited, which covers .9 · .7.
    tried = life.step(given)
    assert (tried.arm, "mode" in tried.effects["quality floor"]) == ("b", False)
    expected, realised = 0.8 - 0.9 * 0.7, 0.1 * 10 + 0.0 - 0.9 * 1.0
    assert floor.slack == pytest.approx(min(expected, realised))
    assert life.step(given).arm == "a"


def test_many_reports_by_hand() -> None:
    """40 of the baseline at .9 and 60 of the other at .75, of which .6 and .9 were guessed; one amended to 0."""
    floor = QualityFloor("a", **FLOOR)
    life = Life(floor)
    given = a_situation("ab", [0.6, 0.9])
    for number in range(100):
        record = life.step(given, arm="a" if number < 40 else "b", predict=predicting(0.8))
        life.report(record, quality=0.9 if number < 40 else 0.75)
    life.report(record, previous=True, quality=0.0)

    def stray(variance: float) -> float:
        return stitched_boundary(variance, scale=1.0, error=0.05 / 4)

    # Looked at again at the 96th request, the baseline is worth .8 + 2 · .05 at the most, later .7.
    forgone = 56 * 0.9 + 4 * 0.7
    mean = forgone / 60
    own, others = 40 * 0.9, 59 * 0.75
    expected = 0.1 * (own - stray(40 * 0.3**2)) + others - stray(59 * 0.15**2 + 0.9**2) - 0.9 * forgone
    realised = 0.1 * own + others - 0.9 * min(60.0, forgone + stray(60 * mean * (1 - mean)))
    assert floor.slack == pytest.approx(min(expected, realised))
    assert floor.savings.expected == pytest.approx(expected)
    assert floor.savings.realised == pytest.approx(realised)


def test_many_that_are_awaited_by_hand() -> None:
    """As it happens, chance may reduce their predictions: 100 at .8, of variance ¼ each at the most."""
    floor = QualityFloor("a", **FLOOR)
    life = Life(floor)
    for _ in range(100):
        life.step(a_situation("ab", [0.6, 0.9]), arm="b", predict=predicting(0.6))
    stray = stitched_boundary(25.0, scale=1.0, error=0.05 / 4)
    most = min(100.0, floor.state()["forgone"] + stitched_boundary(100 * 0.7 * 0.3, scale=1.0, error=0.05 / 4))
    assert floor.state()["forgone"] == pytest.approx(100 * 0.7)
    assert floor.savings.realised == pytest.approx(80.0 - stray - 0.9 * most)
    assert floor.savings.expected == pytest.approx(80.0 - 0.9 * 70.0)


def test_a_known_baseline_is_held_against_all_requests() -> None:
    floor = QualityFloor("a", baseline_mean=0.8, **FLOOR)
    life = Life(floor)
    given = a_situation("ab", [0.6, 0.9])
    first = life.step(given, arm="a")
    assert floor.savings.expected == pytest.approx(0.8 - 0.9 * 0.8)
    life.report(first, quality=1.0)
    assert floor.savings.expected == pytest.approx(-0.9 * 0.8)  # one report is no evidence
    assert floor.savings.realised == pytest.approx(1.0 - 0.9 * 1.0)
    life.step(given, arm="b")
    assert floor.savings.expected == pytest.approx(0.8 - 2 * 0.9 * 0.8)


def test_reports_of_a_stand_in_do_not_count() -> None:
    floor = QualityFloor("a", **FLOOR)
    life = Life(floor)
    record = life.step(a_situation("ab", [0.6, 0.9]))
    before = floor.state()
    feedback = life.report(record, latency_s=1.0)
    assert floor.state() == before
    floor.learned(replace(feedback, arm="c", outcomes={"quality": 1.0}))
    assert floor.state() == before


def test_it_does_not_apply_without_its_baseline() -> None:
    floor = QualityFloor("a", **FLOOR)
    life = Life(floor)
    given = without(a_situation("abc", [0.9, 0.1, 0.2]), "a")
    assert life.step(given).arm == "c"
    assert floor.slack == 0.0
    assert life.step(a_situation("bc", [0.1, 0.2])).arm == "c"


def test_the_baseline_is_estimated_again_periodically() -> None:
    """At the eighth request: what it would have yielded is the upper bound of its prediction by then."""
    floor = QualityFloor("a", **FLOOR)
    life = Life(floor)
    given = a_situation("ab", [0.6, 0.9])
    for number in range(8):
        life.step(given, arm="b" if number < 3 else "a", predict=predicting(0.2))
    assert floor.state()["forgone"] == pytest.approx(3 * (0.2 + 2 * 0.05))
    assert floor.savings.expected == pytest.approx(0.1 * 5 * 0.5 + 3 * 0.8 - 0.9 * 3 * 0.3)


def with_history(
    floor: Any, promise: float, truth: float, *, seed: int, requests: int = 500
) -> tuple[float, float]:
    """The least surplus over the floor, and the share of b, with predicted quality ``promise``.

    In expectation and as it happens, against what the baseline would have yielded on the same requests.
    """
    rng = np.random.default_rng(seed)
    life = Life(floor)
    surplus, realised, least, others = 0.0, 0.0, 0.0, 0
    for _ in range(requests):
        given = a_situation("ab", [0.8, promise])
        given = believing(given, width=np.array([[0.01, 0.05, 0.05], [0.5, 0.05, 0.05]]))
        record = life.step(given, predict=predicting(0.8))
        mean = {"a": 0.8, "b": truth}[record.arm]
        others += record.arm == "b"
        quality, baseline = float(rng.random() < mean), float(rng.random() < 0.8)
        quality = baseline if record.arm == "a" else quality
        surplus += mean - 0.9 * 0.8
        realised += quality - 0.9 * baseline
        least = min(least, surplus, realised)
        life.report(record, quality=quality)
    return least, others / requests


@pytest.mark.parametrize("truth", [0.0, 0.3, 0.6])
def test_the_floor_holds_whatever_was_promised(truth: float) -> None:
    """b looks best and is not: the mean yielded so far never falls below 90 % of the baseline's."""
    for seed in range(6):
        least, share = with_history(QualityFloor("a", **FLOOR), 0.99, truth, seed=seed)
        assert least >= -1e-9
        assert 0 < share < 0.5


def test_control_without_a_floor_it_is_broken() -> None:
    least, share = with_history(QualityFloor("a", at_least=1e-6), 0.99, 0.3, seed=0)
    assert least < -100
    assert share > 0.9


def test_what_is_better_takes_over() -> None:
    _, share = with_history(QualityFloor("a", **FLOOR), 0.99, 0.97, seed=0, requests=1500)
    assert share > 0.5


def test_a_known_baseline_lets_others_in_with_time() -> None:
    """Without any model of the baseline: its prediction is wrong here, and does not matter."""
    floor = QualityFloor("a", at_least=0.7, baseline_mean=0.8)
    least, share = with_history(floor, 0.99, 0.9, seed=0, requests=1500)
    assert least >= -1e-9
    assert share > 0.3


def test_the_choice_is_among_those_that_are_covered() -> None:
    def even(given: Any) -> FloatArray:
        chances: FloatArray = given.eligible / given.eligible.sum()
        return chances

    floor = QualityFloor("a", **FLOOR)
    life = Life(floor)
    for _ in range(10):
        life.report(life.step(a_situation("abc"), arm="a"), quality=1.0)
    given = a_situation("abc", [0.6, 0.9, 0.3])
    assert floor.control(given, even).tolist() == [0.5, 0.5, 0.0]
    assert floor.effects(given)["not_covered"] == ["c"]
    assert "mode" not in floor.effects(given)
    assert floor.control(a_situation("a", [0.6]), greedy).tolist() == [1.0]
    assert certain(given, "a").tolist() == [1.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"at_least": 1.0}, "at_least = 1.0 must be a number in"),
        ({"at_least": 0.9, "baseline_mean": 0.0}, "baseline_mean = 0.0 must be a finite number above 0"),
        ({"at_least": 0.9, "confidence": 2}, "confidence = 2 must be a number in"),
        ({"at_least": 0.9, "widths": -1.0}, "widths = -1.0 must be a finite number above 0"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidArgumentError, match=words):
        QualityFloor("a", **settings)
