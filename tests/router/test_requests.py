"""What a caller may ask for: arms, dollars, keys, preferences."""

from pathlib import Path

import numpy as np
import pytest

from banditroute import Arm, EpsilonGreedy, LinUCB, Objective, Price, Router, Uniform
from banditroute.errors import NoEligibleArmError, UnknownArmError
from banditroute.policies import Exploration
from banditroute.testing import chooser_of
from banditroute.testing.world import PREFERENCES, Clock, a_router, a_vector, url
from tests.router.world import with_history

GREEDY = LinUCB(alpha=0.0, ridge=2.0, exploration=Exploration(floor=0, burn_in=0))


def test_only_allowed_arms_are_chosen() -> None:
    router = a_router(policy=Uniform())
    for number in range(60):
        decision = router.route(a_vector(number), allowed={"large", "plain"})
        assert decision.arm in ("large", "plain")
        assert decision.probabilities == {"small": 0.0, "large": 0.5, "plain": 0.5}
        assert "small" not in decision.ranking
    only = router.route(a_vector(0), allowed=(name for name in ["plain"]))  # type: ignore[arg-type]
    assert (only.arm, only.cause, only.propensity) == ("plain", "only", 1.0)
    assert router.why(only.id).decision.excluded == {"small": "not allowed", "large": "not allowed"}
    with pytest.raises(UnknownArmError, match=r"^unknown arm 'tiny'; this router has: large, plain, small$"):
        router.route(a_vector(0), allowed=["tiny"])
    with pytest.raises(NoEligibleArmError, match=r"^no eligible arm of 3: "):
        router.route(a_vector(0), allowed=[])


def test_an_unknown_cost_is_not_free() -> None:
    router = a_router()
    with pytest.raises(NoEligibleArmError, match="its cost is not known"):
        router.route(a_vector(0), max_cost_usd=1e9 - 1)


def test_with_tokens_the_price_bounds_the_cost() -> None:
    router = a_router()
    # 2.50 · 1,000 + 10 · 500 = 7,500 USD a million requests
    assert router.route(a_vector(0), max_cost_usd=0.0075, prompt_tokens=1000).arm == "large"
    with pytest.raises(NoEligibleArmError, match=r"large \(may cost 0\.0075 USD\)"):
        router.route(a_vector(0), max_cost_usd=0.00749, prompt_tokens=1000)


def test_without_tokens_the_learned_cost_counts() -> None:
    router = a_router(policy=Uniform())
    rng = np.random.default_rng(3)
    for number in range(300):
        decision = router.route(a_vector(number))
        dollars = {"small": 0.001, "large": 0.02, "plain": 0.004}[decision.arm]
        router.feedback(decision.id, cost_usd=dollars * (0.9 + 0.2 * rng.random()), latency_s=1.0)
    for number in range(40):
        assert router.route(a_vector(number), max_cost_usd=0.02).arm in ("small", "plain")
    assert any(router.route(a_vector(number), max_cost_usd=0.04).arm == "large" for number in range(40))


def test_a_learned_cost_follows_the_price() -> None:
    clock = Clock()
    router = a_router(policy=Uniform(), clock=clock)
    for number in range(200):
        decision = router.route(a_vector(number), allowed=["small", "large"])
        router.feedback(decision.id, cost_usd=0.005, latency_s=1.0)
    clock.now += 1
    assert router.route(a_vector(0), allowed=["large"], max_cost_usd=0.02).arm == "large"
    router.set_price("large", Price(input=10.0, output=40.0))
    with pytest.raises(NoEligibleArmError):
        router.route(a_vector(0), allowed=["large"], max_cost_usd=0.02)


def test_a_key_gives_the_same_draw() -> None:
    router = a_router(policy=Uniform())
    arms = {router.route(a_vector(number), key="customer 7").arm for number in range(30)}
    assert len(arms) == 1
    assert len({router.route(a_vector(0), key=f"customer {number}").arm for number in range(30)}) == 3
    assert len({router.route(a_vector(0)).arm for _ in range(30)}) == 3


def test_the_seed_changes_the_draws() -> None:
    def arms(seed: int) -> list[str]:
        router = a_router(policy=Uniform(), seed=seed)
        return [router.route(a_vector(0), key=str(number)).arm for number in range(40)]

    assert arms(1) == arms(1) != arms(2)


def world_of_two() -> Router:
    """``good`` is better and more expensive than ``cheap``."""
    router = a_router(arms=[Arm("good"), Arm("cheap")], policy=EpsilonGreedy(epsilon=0.5, ridge=1.0))
    for number in range(200):
        decision = router.route(a_vector(number))
        good = decision.arm == "good"
        router.feedback(decision.id, quality=0.9 if good else 0.5, cost_usd=0.04 if good else 0.001, latency_s=1.0)
    chooser_of(router)._probabilities = GREEDY.probabilities  # as if the policy had been this one
    return router


def test_preferences_of_one_request_and_of_all() -> None:
    router = world_of_two()
    before = router.digest()
    thrift = {"quality": 0.1, "cost_usd": 1.0}
    assert router.preferences == PREFERENCES
    assert router.route(a_vector(0), preferences={"quality": 1.0}).arm == "good"
    assert router.route(a_vector(0), preferences=thrift).arm == "cheap"
    assert router.route_many([a_vector(0)], preferences=thrift)[0].arm == "cheap"
    assert router.route(a_vector(0)).preferences == PREFERENCES
    router.preferences = thrift
    assert router.route(a_vector(0)).arm == "cheap"
    router.preferences = {"quality": 2.0}
    assert router.route(a_vector(0)).arm == "good"
    assert router.digest() == before


def test_numbers_of_any_kind_become_plain() -> None:
    router = a_router(preferences={"quality": np.float32(0.5), "cost_usd": np.int64(1)})
    assert router.preferences == {"quality": 0.5, "cost_usd": 1.0}
    assert {type(weight) for weight in router.preferences.values()} == {float}
    decision = router.route(a_vector(0), preferences={"quality": np.float32(2)})  # type: ignore[dict-item]
    assert type(decision.preferences["quality"]) is float


def test_preferences_cannot_be_changed_from_outside() -> None:
    router = a_router()
    with pytest.raises(TypeError):
        router.preferences["quality"] = 0.0  # type: ignore[index]
    assert router.preferences == PREFERENCES


def test_named_features_come_in_any_order() -> None:
    router = a_router(features=["length", "code", "chat"], policy=GREEDY)
    with_history(router, 30)
    one = router.route({"chat": 0.5, "length": -0.25, "code": 1.0})
    other = router.route([-0.25, 1.0, 0.5])
    assert one.record.row.tolist() == other.record.row.tolist()


def test_draining_retiring_and_successors() -> None:
    router = a_router(policy=Uniform())
    before = router.route(a_vector(0), allowed=["small"])
    router.drain_arm("small")
    assert router.feedback(before.id, quality=0.5).status == "recorded"
    assert {router.route(a_vector(n)).arm for n in range(30)} == {"large", "plain"}
    with pytest.raises(NoEligibleArmError, match=r"small \(status draining\)"):
        router.route(a_vector(0), allowed=["small"])
    router.retire_arm("small", successor="large")
    assert router.route(a_vector(0), allowed=["small"]).arm == "large"
    router.add_arm(Arm("larger"))
    router.retire_arm("large", successor="larger")
    assert router.route(a_vector(0), allowed=["small"]).arm == "larger"
    assert router.arms == {"small": "retired", "large": "retired", "plain": "active", "larger": "active"}
    assert router.feedback(before.id, quality=0.6, amend=True).status == "recorded"


@pytest.mark.parametrize("length", [2, 3])
def test_a_cycle_of_successors_ends(length: int) -> None:
    router = a_router()
    names = list(router.arms)[:length]
    for place, name in enumerate(names):
        router.retire_arm(name, successor=names[(place + 1) % length])
    with pytest.raises(NoEligibleArmError):
        router.route(a_vector(0), allowed=[names[0]])


def test_the_last_arm_may_go() -> None:
    router = a_router(arms=[Arm("a")])
    router.drain_arm("a")
    with pytest.raises(NoEligibleArmError, match=r"^no eligible arm of 1: a \(status draining\)$"):
        router.route(a_vector(0))
    router.add_arm(Arm("b"))
    assert router.route(a_vector(0)).arm == "b"


def test_a_new_arm_gets_its_share_and_no_more() -> None:
    router = a_router(arms=[Arm("a")], policy=LinUCB(exploration=Exploration(burn_in=5, burn_in_share=0.25)))
    for number in range(20):
        router.feedback(router.route(a_vector(number)).id, quality=0.9)
    router.add_arm(Arm("b", prior={"quality": 0.0}))
    decision = router.route(a_vector(0))
    assert decision.probabilities["b"] == pytest.approx(0.98 * 0.25 + 0.01)


def test_the_limit_of_a_cheap_arm_does_not_depend_on_what_others_cost() -> None:
    objectives = (Objective("quality"), Objective("cost_usd", goal="min", scale=0.05))
    router = Router("svc", arms=[Arm("dear"), Arm("cheap")], objectives=objectives, seed=1)
    for number in range(60):
        decision = router.route([0.5], allowed=["dear" if number % 2 else "cheap"])
        router.feedback(decision.id, cost_usd=2.0 if number % 2 else 0.001)
    for _ in range(20):
        assert router.route([0.5], max_cost_usd=0.01).arm == "cheap"
    with pytest.raises(NoEligibleArmError, match=r"dear \(may cost 3\.\d USD\), cheap \(may cost 0\.001\d USD\)"):
        router.route([0.5], max_cost_usd=0.001)
    assert router.route([0.5], max_cost_usd=4.0, allowed=["dear"]).arm == "dear"


def test_what_an_arm_costs_is_known_after_a_restart_and_an_amendment(tmp_path: Path) -> None:
    objectives = (Objective("cost_usd", goal="min", scale=0.05),)

    def opened() -> Router:
        arms = [Arm("a"), Arm("b")]
        return Router("svc", arms=arms, objectives=objectives, seed=1, store=url(tmp_path / "r.db"))

    with opened() as router:
        ids = [router.route([0.5], allowed=["a"]).id for _ in range(30)]
        for decision in ids:
            router.feedback(decision, cost_usd=1.0)
        router.feedback(ids[0], cost_usd=40.0, amend=True)
        router.feedback(ids[0], cost_usd=1.0, amend=True)
        with pytest.raises(NoEligibleArmError) as before:
            router.route([0.5], max_cost_usd=0.5)
    with opened() as router, pytest.raises(NoEligibleArmError) as after:
        router.route([0.5], max_cost_usd=0.5)
    assert str(before.value) == str(after.value)
    assert "a (may cost 1.7 USD), b (its cost is not known)" in str(after.value)
