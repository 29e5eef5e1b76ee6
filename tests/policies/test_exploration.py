"""Exploration: newcomers, arms whose outcomes are awaited, and the floor."""

from dataclasses import replace

import numpy as np
import pytest

from banditroute import Arm, EpsilonGreedy, LinTS, LinUCB, Objective, Policy, Router
from banditroute.core.situation import Situation
from banditroute.policies.exploration import WAITING_SHARE, Exploration
from banditroute.testing import situation

POLICIES: list[Policy] = [LinUCB(), LinTS(), EpsilonGreedy()]


def waiting_at(known: list[int], plays: list[int], eligible: list[bool]) -> Situation:
    return replace(
        situation(1, len(known)),
        plays=np.array(plays),
        eligible=np.array(eligible),
        count_outcomes=lambda: np.array(known),
    )


@pytest.mark.parametrize(
    ("known", "plays", "waits"),
    [
        ([9, 4, 0], [9, 9, 9], [False, True, True]),
        ([9, 4, 0], [9, 4, 4], [False, False, False]),  # still in their burn-in
        ([4, 4, 0], [9, 9, 9], [False, False, False]),  # no arm is known
        ([9, 5, 6], [9, 9, 9], [False, False, False]),
    ],
)
def test_an_arm_waits_for_its_first_outcomes(known: list[int], plays: list[int], waits: list[bool]) -> None:
    given = waiting_at(known, plays, [True] * 3)
    left = Exploration().without_waiting(given)
    assert left.eligible.tolist() == [not each for each in waits]
    assert (left is given) is not any(waits)
    assert Exploration(wait_for=0).without_waiting(given) is given
    assert Exploration().without_waiting(replace(given, count_outcomes=None)) is not None


def test_an_arm_that_is_not_eligible_makes_no_other_wait() -> None:
    given = waiting_at([9, 0, 0], [9, 9, 9], [False, True, True])
    assert Exploration().without_waiting(given) is given


@pytest.mark.parametrize("policy", POLICIES, ids=repr)
def test_an_arm_that_waits_has_an_eighth_of_a_share_of_the_floor(policy: Policy) -> None:
    given = waiting_at([9, 0, 8], [9, 9, 9], [True] * 3)
    found = policy.probabilities(given)
    floor = policy.epsilon if isinstance(policy, EpsilonGreedy) else 0.02
    assert found.sum() == pytest.approx(1.0)
    assert found[1] == pytest.approx(floor * WAITING_SHARE / (2 + WAITING_SHARE))
    assert found.min() > 1e-3


@pytest.mark.parametrize("policy", POLICIES, ids=repr)
@pytest.mark.parametrize("seed", range(3))
def test_a_newcomer_takes_no_traffic_while_its_outcomes_are_late(policy: Policy, seed: int) -> None:
    rng = np.random.default_rng(seed)
    router = Router("late", arms=[Arm("good"), Arm("ok")], policy=policy, seed=seed)

    def x() -> np.ndarray:
        return rng.normal(0, 0.3, 8).clip(-1, 1)

    for _ in range(300):
        decision = router.route(x())
        quality = {"good": 0.9, "ok": 0.8}[decision.arm] + rng.normal(0, 0.1)
        router.feedback(decision.id, quality=float(np.clip(quality, 0, 1)))
    router.add_arm(Arm("new"))
    late = [router.route(x()) for _ in range(1_000)]
    assert sum(each.arm == "new" for each in late) <= 20
    for each in late:
        quality = {"good": 0.9, "ok": 0.8, "new": 0.99}[each.arm]
        router.feedback(each.id, quality=quality)
    assert sum(router.route(x()).arm == "new" for _ in range(200)) > 150


def test_control_without_waiting_it_takes_nearly_all_traffic() -> None:
    router = Router(
        "late", arms=[Arm("good"), Arm("ok")], policy=LinUCB(exploration=Exploration(wait_for=0)), seed=1
    )
    for number in range(300):
        decision = router.route([number / 300, 0.5])
        router.feedback(decision.id, quality={"good": 0.9, "ok": 0.8}[decision.arm])
    router.add_arm(Arm("new"))
    assert sum(router.route([number / 300, 0.5]).arm == "new" for number in range(300)) > 200


def test_outcomes_are_counted_by_the_weighted_objectives() -> None:
    objectives = (Objective("quality"), Objective("cost_usd", goal="min", scale=0.05))
    router = Router("svc", arms=[Arm("a"), Arm("b"), Arm("c")], objectives=objectives, features=1, seed=1)
    for number in range(40):
        decision = router.route([0.5], allowed=["a" if number < 20 else "b"])
        router.feedback(decision.id, cost_usd=0.01)
        if number < 20:
            router.feedback(decision.id, quality=0.5)
    # The cost of b is known, its quality is not.
    assert router.route([0.5], preferences={"cost_usd": 1.0}).probabilities["b"] > 0.006
    assert router.route([0.5], preferences={"quality": 1.0}).probabilities["b"] < 0.002
