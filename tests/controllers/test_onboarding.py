"""Who is new, how much he is forced, and when that ends."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from banditroute.controllers import Onboarding, OutcomePrediction
from banditroute.controllers.onboarding import mixture_bound
from banditroute.core.arrays import OUTCOME_UNIT
from banditroute.core.situation import Situation
from banditroute.errors import InvalidArgumentError
from banditroute.testing import situation
from banditroute.testing.controllers import greedy, life

STEP = next(step for step in life(["a", "b", "c"], 60) if step.feedback is not None)
NOISE = np.random.default_rng(5).standard_normal(400)


def given(arms: Sequence[str]) -> Situation:
    return replace(situation(4, len(arms), eligible=np.ones(len(arms), dtype=bool)), arms=tuple(arms))


def play(
    onboarding: Onboarding, arms: Sequence[str], arm: str, gain: float | None = None, number: int = 0
) -> None:
    """A decision for ``arm``, whose utility is then ``gain`` above the prediction of the others (0.5 ± 0.1)."""
    body = number.to_bytes(16, "big")
    decision = replace(
        STEP.decision,
        decision_key=body,
        arm=arm,
        arms=tuple(arms),
        mean=np.full((len(arms), 2), 0.5),
        weights=np.array([2.0, 0.0]),
        excluded={},
    )
    onboarding.decided(decision, STEP.predict)
    if gain is not None:
        assert STEP.feedback is not None
        value = round((0.5 + gain / 2) / OUTCOME_UNIT)
        record = replace(STEP.feedback, decision_key=body, arm=arm, values=(value,))
        assert (
            onboarding.observe(record, OutcomePrediction(("quality",), (0,), np.array([0.5]), np.array([0.1])))
            == ()
        )


def forced(onboarding: Onboarding, arms: Sequence[str]) -> tuple[list[str], float]:
    effects = onboarding.effects(given(arms))
    return effects["forced"], effects["share"]


def test_the_first_arms_are_not_new() -> None:
    onboarding = Onboarding(pulls=3, over=30)
    assert forced(onboarding, "ab") == ([], 0.0)
    play(onboarding, "ab", "a")
    assert forced(onboarding, "ab") == ([], 0.0)


def test_a_new_arm_has_its_share_until_it_had_its_pulls() -> None:
    onboarding = Onboarding(pulls=3, over=30)
    play(onboarding, "ab", "a")
    before = greedy(given("abc"))
    for number in range(3):
        assert forced(onboarding, "abc") == (["c"], 0.1)
        expected = 0.9 * before + np.array([0.0, 0.0, 0.1])
        np.testing.assert_allclose(onboarding.control(given("abc"), greedy), expected, rtol=0, atol=1e-15)
        play(onboarding, "abc", "c", 0.3, number)
        play(onboarding, "abc", "b")
    assert forced(onboarding, "abc") == ([], 0.0)
    assert onboarding.report()["c"] == {
        "pulls": 3,
        "compared": 3,
        "total": pytest.approx(4.5, abs=1e-3),
        "ruled_out": False,
    }


def test_many_new_arms_share_half_at_the_most() -> None:
    onboarding = Onboarding(pulls=20, over=200)
    play(onboarding, "a", "a")
    assert forced(onboarding, "abc") == (["b", "c"], 0.2)
    assert forced(onboarding, "abcdefghi")[1] == 0.5


def test_what_is_clearly_worse_is_ruled_out_early() -> None:
    onboarding = Onboarding(pulls=20, over=200)
    play(onboarding, "ab", "a")
    pulls = 0
    while forced(onboarding, "abc")[0]:
        play(onboarding, "abc", "c", -0.4 + 0.2 * float(NOISE[pulls]), pulls)
        pulls += 1
    assert pulls < 10
    assert onboarding.effects(given("abc"))["ruled_out"] == ["c"]


def test_what_is_as_good_is_not() -> None:
    """At most one in twenty is ruled out by chance, at any time; here of a hundred."""
    wrong = 0
    for life_number in range(100):
        onboarding = Onboarding(pulls=50, over=500)
        play(onboarding, "ab", "a")
        noise = 0.2 * np.random.default_rng(life_number).standard_normal(50)
        for number, gain in enumerate(noise):
            play(onboarding, "abc", "c", float(gain), number)
        wrong += onboarding.report()["c"]["ruled_out"]
    assert wrong <= 5


def test_control_a_bound_for_one_moment_would_rule_out_too_many() -> None:
    sums = np.cumsum(np.random.default_rng(1).standard_normal((2_000, 50)), axis=1)
    n = np.arange(1, 51)
    at_once = np.array([mixture_bound(int(k), confidence=0.95, tuned_for=20) for k in n])
    assert (sums < -at_once).any(axis=1).mean() <= 0.05
    assert (sums < -1.645 * np.sqrt(n)).any(axis=1).mean() > 0.05


def test_outcomes_of_others_are_not_compared() -> None:
    onboarding = Onboarding()
    play(onboarding, "ab", "a")
    play(onboarding, "abc", "c")
    assert STEP.feedback is not None
    record = replace(STEP.feedback, decision_key=bytes(16), arm="b", values=(0,))
    onboarding.observe(record, OutcomePrediction(("quality",), (0,), np.array([0.5]), np.array([0.1])))
    assert onboarding.report()["c"]["compared"] == 0
    assert onboarding.state()["awaited"] == {}


def test_a_gate_may_close() -> None:
    onboarding = Onboarding(gate=lambda asked: np.array([arm != "c" for arm in asked.arms]))
    play(onboarding, "ab", "a")
    assert forced(onboarding, "abcd")[0] == ["d"]


@pytest.mark.parametrize("wrong", [{"pulls": 0}, {"over": 19}, {"confidence": 1.0}])
def test_settings_are_checked(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidArgumentError, match=next(iter(wrong))):
        Onboarding(**wrong)  # type: ignore[arg-type]
