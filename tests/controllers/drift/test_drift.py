"""What counts as drift, what does not, and what is demanded then."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest

from banditroute.controllers import DiscountRequest, Drift, OutcomePrediction, PageHinkley
from banditroute.controllers.drift.drift import RECENT
from banditroute.core.arrays import OUTCOME_UNIT
from banditroute.errors import InvalidArgumentError
from banditroute.testing import situation
from banditroute.testing.controllers import greedy, life

STEP = next(step for step in life(["a", "b", "c"], 60) if step.feedback is not None)
NORMAL = np.random.default_rng(3).standard_normal(40_000)


def seen(drift: Drift, surprises: Iterable[float], arm: str = "a", scale: float = 0.02) -> list[DiscountRequest]:
    """What is demanded when the arm surprises so, in standard deviations."""
    assert STEP.feedback is not None
    outlook = OutcomePrediction(("quality",), (0,), np.array([0.5]), np.array([scale]))
    found: list[DiscountRequest] = []
    for standardised_residual in surprises:
        value = round((0.5 + scale * float(standardised_residual)) / OUTCOME_UNIT)
        record = replace(STEP.feedback, arm=arm, group="quality", values=(value,))
        found += drift.observe(record, outlook)
    return found


def test_surprise_is_the_standardised_residual() -> None:
    outlook = OutcomePrediction(("q", "c"), (2, 0), np.array([0.25, 0.5]), np.array([0.125, 0.0625]))
    assert outlook.standardised_residual((2**15, 2**14)).tolist() == [2.0, -4.0]


def test_nothing_happens_where_nothing_changes() -> None:
    drift = Drift()
    assert len(seen(drift, NORMAL)) <= len(NORMAL) / 10_000
    assert drift.report()["alarms"] == len(drift.report()["last"])


def test_control_settings_of_river_see_drift_where_there_is_none() -> None:
    drift = Drift(detectors=[PageHinkley(delta=0.005, threshold=50.0)])
    assert len(seen(drift, NORMAL)) > len(NORMAL) / 10_000


@pytest.mark.parametrize("scale", [0.2, 1.0, 3.0])
@pytest.mark.parametrize("shift", [-1.0, 1.0])
def test_a_shift_is_found_once_however_loud_the_arm_is(shift: float, scale: float) -> None:
    drift = Drift()
    calm = seen(drift, scale * NORMAL[:600])
    assert calm == []
    after = seen(drift, scale * (NORMAL[600:680] + shift))
    assert after == [DiscountRequest("a", "quality", 3)]
    (alarm,) = drift.report()["last"]
    assert (alarm["arm"], alarm["objective"], np.sign(alarm["surprise"])) == (
        "a",
        "quality",
        np.sign(shift),
    )


def test_learning_is_no_drift() -> None:
    """Surprises that die away, as they do while an arm is learned."""
    dying = 2.0 * np.exp(-np.arange(2_000) / 300.0)
    assert seen(Drift(), 0.3 * NORMAL[:2_000] + dying) == []


def test_control_the_same_the_other_way_round_is() -> None:
    growing = 2.0 * np.exp(-np.arange(2_000)[::-1] / 300.0)
    assert seen(Drift(), 0.3 * NORMAL[:2_000] + growing) != []


def test_a_few_outliers_are_no_drift() -> None:
    noise = NORMAL[:1_500].copy()
    noise[[700, 705, 711, 900, 1_200]] = -20.0
    assert seen(Drift(), noise) == []


def test_only_the_arm_that_changed_is_shrunk() -> None:
    drift = Drift(halvings=5)
    for arm in "ab":
        assert seen(drift, NORMAL[:300], arm) == []
    assert seen(drift, NORMAL[300:400] - 2.0, "b") == [DiscountRequest("b", "quality", 5)]
    assert seen(drift, NORMAL[300:400], "a") == []


def test_who_changed_is_watched_for_a_while() -> None:
    drift = Drift(watch_share=0.1, watch_requests=7)
    given = replace(situation(1, 3, eligible=np.ones(3, dtype=bool)), arms=("a", "b", "c"))
    before = drift.control(given, greedy)
    seen(drift, [*NORMAL[:300], *(NORMAL[300:400] - 2.0)], "b")
    expected = 0.9 * before + 0.1 * np.array([0.0, 1.0, 0.0])
    np.testing.assert_allclose(drift.control(given, greedy), expected, rtol=0, atol=1e-15)
    assert drift.effects(given) == {"watched": ["b"], "alarms": 1}
    for _ in range(7):
        drift.decided(STEP.decision, STEP.predict)
    np.testing.assert_array_equal(drift.control(given, greedy), before)


def test_memory_is_bounded_and_restored() -> None:
    drift = Drift(window=128, grace=0)
    seen(drift, NORMAL[:1_000])
    state = drift.state()
    assert len(state["streams"][0][-1]) <= 128 * 2 * 4 / 3 + 4
    again = Drift(window=128, grace=0)
    again.restore(state)
    shifted = NORMAL[1_000:1_200] + 1.5
    assert seen(again, shifted) == seen(drift, shifted) != []
    assert again.state() == drift.state()


@pytest.mark.parametrize(
    "wrong",
    [
        {"detectors": []},
        {"detectors": [3]},
        {"halvings": 0},
        {"halvings": 41},
        {"grace": -1},
        {"window": RECENT},
        {"watch_share": 1.0},
        {"watch_requests": 0.5},
    ],
)
def test_settings_are_checked(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidArgumentError, match=next(iter(wrong))):
        Drift(**wrong)  # type: ignore[arg-type]
