"""A controller for each cohort."""

from typing import Any

import numpy as np

from banditroute.controllers import Latency, PerCohort, Shares
from tests.controllers.lives import Life, a_situation, choice_of_the_best


def simulate_cohorts(controller: Any) -> dict[str, float]:
    """Cohort → share of slow answers, where a is slow for many answers in the far cohort alone."""
    rng = np.random.default_rng(0)
    life = Life(controller, choice_of_the_best)
    slow = {"near": 0, "far": 0}
    for number in range(1500):
        cohort = "far" if number % 5 == 0 else "near"
        record = life.step(a_situation("abc", [0.9, 0.6, 0.1], cohort=cohort))
        is_slow = record.arm == "a" and cohort == "far" and rng.random() < 0.6
        slow[cohort] += is_slow
        life.report(record, latency_s=3.0 if is_slow else 1.0)
    return {"near": slow["near"] / 1200, "far": slow["far"] / 300}


def test_every_cohort_has_its_own_target() -> None:
    found = simulate_cohorts(PerCohort(lambda: Latency(p=0.85, seconds=2.0)))
    assert found["far"] <= 0.17
    assert found["near"] == 0.0


def test_control_one_target_for_all_lets_a_cohort_down() -> None:
    assert simulate_cohorts(Latency(p=0.85, seconds=2.0))["far"] > 0.3


def test_cohorts_are_seen_and_do_not_mix() -> None:
    controller = PerCohort(lambda: Shares(min={"b": 0.5}))
    life = Life(controller)
    life.step(a_situation("ab", cohort="north"), arm="a")
    life.step(a_situation("ab"), arm="b")
    assert {name: within["least"]["b"] for name, within in controller.state()["cohorts"].items()} == {
        "north": 0.5,
        "": 0.0,
    }
    assert controller.effects(a_situation("ab", cohort="north"))["cohort"] == "north"
    assert controller.of("never seen").state()["least"] == {"b": 0.0}
