"""Controllers that adapt, in a router: stopped they go on with the same bits, and they say what they did."""

import json
import sqlite3
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from banditroute import Arm, Objective, Router, Uniform
from banditroute.controllers import (
    ADWIN,
    AdapterLoad,
    CircuitBreaker,
    Controller,
    Drift,
    Onboarding,
    PageHinkley,
    PromptCache,
    Session,
)
from banditroute.errors import InvalidArgumentError
from banditroute.learning.posterior import model
from banditroute.learning.sums.weights import EvidenceWeights
from banditroute.testing import engine_of, ridge_model_of
from banditroute.testing.world import a_router, bodies, url
from tests.router.world import World, with_history

STEPS = 250
ARMS = [Arm("a"), Arm("b")]


@pytest.fixture(autouse=True)
def _hastened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "REFRESH_EVERY", 96)
    monkeypatch.setattr(model, "LIVE_EPOCHS", 3)
    monkeypatch.setattr(model, "EPOCH_REQUESTS", 16)


class Sessions(Session):
    """All requests of the world are one session, whose last arm the caller does not say."""

    def control(self, situation: Any, choice: Any) -> Any:
        object.__setattr__(situation.request, "session", "only")
        return super().control(situation, choice)

    def decided(self, record: Any, predict: Any) -> None:
        object.__setattr__(record, "session", "only")
        super().decided(record, predict)


MADE: Mapping[str, Callable[[], Controller]] = {
    # So jumpy that there are alarms in a world that is random anyway.
    "drift": lambda: Drift(detectors=[ADWIN(delta=0.9, clock=1), PageHinkley(delta=0.0, threshold=2.0)], grace=5),
    "health": lambda: CircuitBreaker(objective="quality", failures=2, cool_down_s=5),
    "session": lambda: Sessions(PromptCache({"small": 0.5, "large": 4.0}), margin=0.02),
    "onboarding": lambda: Onboarding(pulls=10, over=40),
}


def facts(router: Router) -> tuple[str, str, str]:
    """Return the digest, the weights, and the states of the controllers."""
    states = {each.name: each.state() for each in engine_of(router).state.controllers}
    weights = ridge_model_of(router).weights.state()
    return router.digest(), json.dumps(weights, sort_keys=True), json.dumps(states, sort_keys=True)


@cache
def whole_life(name: str) -> tuple[World, tuple[str, str, str]]:
    """A life without a stop."""
    router = a_router(controllers=[MADE[name]()])
    world = with_history(router, STEPS)
    return world, facts(router)


@pytest.mark.parametrize(
    ("name", "spoil"), [*((name, None) for name in MADE), ("drift", "DELETE FROM br_snapshot")]
)
def test_stopped_it_goes_on_with_the_same_bits(name: str, spoil: str | None, tmp_path: Path) -> None:
    whole, end = whole_life(name)
    for stop in (87, 211):
        path = tmp_path / f"{stop}.db"
        router = a_router(url(path), controllers=[MADE[name]()])
        world = with_history(router, stop)
        router.close()
        if spoil is not None:
            with sqlite3.connect(path) as database:
                database.execute(spoil)
            database.close()
        router = world.reopen(url(path), controllers=[MADE[name]()])
        for number in range(stop, STEPS):
            world.step(router, number)
        assert (world.ids, world.chosen) == (whole.ids, whole.chosen)
        assert facts(router) == end
        assert router.health().faults == 0
        router.close()


def test_each_of_them_did_something() -> None:
    drift, health, session, onboarding = (json.loads(whole_life(name)[1][2])[name] for name in MADE)
    assert drift["count"] >= 3
    assert json.loads(whole_life("drift")[1][1])["steps"]
    assert health["outages"]
    assert session["sessions"]
    assert set(onboarding["newcomers"]) == {"new", "newest"}


def test_control_a_snapshot_without_weights_is_detected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, _ = whole_life("drift")
    router = a_router(url(tmp_path / "life.db"), controllers=[MADE["drift"]()])
    world = with_history(router, 211)
    router.close()
    monkeypatch.setattr(EvidenceWeights, "restore", lambda self, state: None)
    router = world.reopen(url(tmp_path / "life.db"), controllers=[MADE["drift"]()])
    for number in range(211, STEPS):
        world.step(router, number)
    assert world.chosen != whole.chosen
    router.close()


def test_sums_stay_undiscounted_however_they_are_read() -> None:
    """A world of uniform choice learns the same, with alarms and without."""
    still = Drift(watch_share=0.0)
    jumpy = Drift(detectors=[PageHinkley(delta=0.0, threshold=2.0)], grace=5, watch_share=0.0)
    totals = []
    for drift in (still, jumpy):
        router = a_router(controllers=[drift], policy=Uniform(), secret=bytes(32), ids=bodies())
        with_history(router, 200)
        table = ridge_model_of(router).table
        totals.append([table.totals(arm, "response").cross.tolist() for arm in ("small", "large")])
    assert totals[0] == totals[1]
    assert (still.report()["alarms"], jumpy.report()["alarms"] > 0) == (0, True)


def test_drift_makes_an_arm_uncertain_again_and_says_so() -> None:
    drift = Drift()
    router = Router("r", arms=ARMS, policy=Uniform(), controllers=[drift], secret=bytes(32), ids=bodies())
    rng = np.random.default_rng(2)
    level, widths, number = {"a": 0.7, "b": 0.6}, [], 0
    while drift.report()["alarms"] < 1:
        decision = router.route([0.5])
        widths.append(decision.expected["b"]["quality"].width)
        level["b"] = 0.6 if number < 600 else 0.3
        router.feedback(decision.id, quality=float(level[decision.arm] + 0.1 * rng.uniform(-1, 1)))
        number += 1
        assert number < 800
    after = router.route([0.5])
    assert after.expected["b"]["quality"].width > 2 * widths[-1]
    assert after.effects["drift"] == {"watched": ["b"], "alarms": 1}
    assert "drift: watched b, alarms 1" in str(router.why(after.id))
    (alarm,) = router.health().controllers["drift"]["last"]
    assert (alarm["arm"], alarm["objective"]) == ("b", "quality")
    assert alarm["surprise"] < -0.5
    for _ in range(160):
        decision = router.route([0.5])
        router.feedback(decision.id, quality=level[decision.arm])
    # Some 300 rows at 0.6 and 80 at 0.3 would say 0.54 if all of them counted.
    assert router.route([0.5]).expected["b"]["quality"].mean < 0.48


def test_a_session_is_held_and_marked() -> None:
    session = Session(AdapterLoad({"a": 1.0, "b": 1.0}, utility_per_second=0.5))
    router = Router("r", arms=ARMS, controllers=[session], secret=bytes(32), ids=bodies())
    first = router.route([0.1], session="s")
    second = router.route([0.1], session="s")
    other = router.route([0.1], session="s", incumbent="b" if first.arm == "a" else "a")
    assert (first.mode, second.mode, other.mode) == ("live", "held", "held")
    assert (second.arm, second.propensity) == (first.arm, 1.0)
    assert other.arm != first.arm
    assert f"incumbent {first.arm}" in str(router.why(second.id))


def test_a_circuit_opens_by_failed_calls() -> None:
    objectives = [Objective("quality"), Objective("available")]
    breaker = CircuitBreaker(failures=2, cool_down_s=60)
    router = Router("r", arms=ARMS, objectives=objectives, controllers=[breaker], secret=bytes(32), ids=bodies())
    for _ in range(2):
        decision = router.route([0.1], allowed=["a"])
        router.feedback(decision.id, available=0)
        router.feedback(decision.id, served_arm="b", quality=0.7)
    assert {router.route([0.1]).arm for _ in range(40)} == {"b"}
    assert router.health().controllers["health"]["open"] == ["a"]
    ping = router.route([0.1], allowed=["a"])
    assert ping.arm == "a"
    router.feedback(ping.id, available=1)
    assert {router.route([0.1]).arm for _ in range(200)} == {"a", "b"}


def test_a_successor_inherits_also_after_a_restart(tmp_path: Path) -> None:
    def a_life(store: str, stop: int | None) -> tuple[Any, ...]:
        world, router = World(), a_router(store)
        engine_of(router).clock = world.clock
        for number in range(180):
            if number == stop:
                router.close()
                router = world.reopen(store)
            if number == 80:
                router.retire_arm("small", successor="new", n_eff=20)
            world.step(router, number)
        end = facts(router)
        counts = ridge_model_of(router).counts("quality").tolist()
        router.close()
        return world.chosen, end, counts

    whole = a_life(url(tmp_path / "whole.db"), None)
    for stop in (81, 150):
        assert a_life(url(tmp_path / f"{stop}.db"), stop) == whole
    assert json.loads(whole[1][1])["bequests"][0][:3] == ["new", "small", "quality"]


def test_what_is_inherited_shows() -> None:
    """Both are new; one follows an arm that was bad."""
    router = Router("r", arms=[*ARMS], policy=Uniform(), secret=bytes(32), ids=bodies())
    for _ in range(80):
        decision = router.route([0.5])
        router.feedback(decision.id, quality=0.9 if decision.arm == "a" else 0.1)
    for name in ("successor", "stranger"):
        router.add_arm(Arm(name))
    router.retire_arm("b", successor="successor", n_eff=30)
    router.route([0.5])
    expected = router.route([0.5]).expected
    assert expected["successor"]["quality"].mean < expected["stranger"]["quality"].mean - 0.1
    assert expected["successor"]["quality"].width < expected["stranger"]["quality"].width


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"n_eff": 20}, "needs a successor"),
        ({"successor": "b", "n_eff": -1}, "n_eff = -1"),
        ({"successor": "b", "n_eff": 2.0}, "n_eff = 2.0"),
        ({"successor": "gone", "n_eff": 20}, "is retired and cannot inherit"),
        ({"successor": "a", "n_eff": 20}, "its own successor"),
    ],
)
def test_inheritance_arguments_are_checked(wrong: dict[str, Any], message: str) -> None:
    router = Router("r", arms=[*ARMS, Arm("gone")])
    router.retire_arm("gone")
    with pytest.raises(InvalidArgumentError, match=message):
        router.retire_arm("a", **wrong)
    assert router.arms["a"] == "active"


def test_inheritance_is_set_once() -> None:
    router = Router("r", arms=[*ARMS, Arm("c"), Arm("d")])
    router.retire_arm("a", successor="b", n_eff=20)
    router.retire_arm("a", successor="b", n_eff=20)
    with pytest.raises(InvalidArgumentError, match="'b' has inherited from it"):
        router.retire_arm("a", successor="c", n_eff=20)
    router.retire_arm("c")
    with pytest.raises(InvalidArgumentError, match="was retired without a successor"):
        router.retire_arm("c", successor="d", n_eff=20)
