"""What a switch costs, when the incumbent is held, and who that is."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from banditroute.controllers import AdapterLoad, PromptCache, Session
from banditroute.core.arrays import FloatArray
from banditroute.core.objectives import Objective, Objectives
from banditroute.core.situation import Situation
from banditroute.errors import InvalidArgumentError
from banditroute.testing import situation
from banditroute.testing.controllers import greedy, life
from banditroute.testing.policies import believing

ARMS = ("a", "b", "c")
STEP = next(step for step in life(ARMS, 60) if step.feedback is not None)
OBJECTIVES = Objectives([Objective("quality"), Objective("cost_usd", goal="min", bounds=(0, 0.05))])
NOW_US = 1_700_000_000_000_000
SAVING = {"a": 2.0, "b": 0.1}


def given(quality: list[float], **request: Any) -> Situation:
    """Three arms of this quality and of no cost, where a dollar costs 0.4 / 0.05 = 8 utilities."""
    mean = np.column_stack([quality, np.zeros(3)])
    weights = np.array([1.0, -0.4])
    made = situation(0, 3, 2, eligible=np.ones(3, dtype=bool))
    asked = replace(made.request, now_us=NOW_US, **request)
    predicted = believing(made, mean=mean)
    return replace(predicted, arms=ARMS, weights=weights, objectives=OBJECTIVES, request=asked)


def soft(asked: Situation) -> FloatArray:
    """The best one, with a floor."""
    return 0.9 * greedy(asked) + 0.1 / 3


def test_prompt_caches_are_worth_tokens_times_savings_in_units_of_utility() -> None:
    cost = PromptCache(SAVING)
    assert cost.of(given([0, 0, 0]), 0, 10_000).tolist() == pytest.approx([0.16] * 3)
    assert cost.of(given([0, 0, 0]), 1, 10_000).tolist() == pytest.approx([0.008] * 3)
    assert cost.of(given([0, 0, 0]), 2, 10_000).tolist() == [0.0] * 3
    assert PromptCache(SAVING, utility_per_usd=3.0).of(given([0, 0, 0]), 0, 1e6).tolist() == [6.0] * 3


def test_adapters_cost_their_loading() -> None:
    cost = AdapterLoad({"a": 2.0, "c": 0.5}, utility_per_second=0.3)
    assert cost.of(given([0, 0, 0]), 1, 0).tolist() == pytest.approx([0.6, 0.0, 0.15])


def test_it_is_held_while_a_switch_is_not_worth_it() -> None:
    session = Session(PromptCache(SAVING), margin=0.02)
    for lead, held in ((0.0, True), (0.179, True), (0.181, False), (0.5, False)):
        asked = given([0.4, 0.4 + lead, 0.1], incumbent="a", prompt_tokens=10_000)
        found = session.control(asked, soft)
        effects = session.effects(asked)
        assert effects["incumbent"] == "a"
        assert effects["switch_cost"] == {"b": pytest.approx(0.18), "c": pytest.approx(0.18)}
        if held:
            assert found.tolist() == [1.0, 0.0, 0.0]
            assert effects["mode"] == "held"
        else:
            assert found.tolist() == pytest.approx([0.1 / 3, 0.9 + 0.1 / 3, 0.1 / 3])
            assert "mode" not in effects


def test_beginnings_are_left_alone() -> None:
    session = Session(PromptCache(SAVING))
    asked = given([0.4, 0.5, 0.1], session="new")
    assert session.control(asked, soft).tolist() == soft(asked).tolist()
    assert session.effects(asked) == {"incumbent": None}


def test_an_incumbent_that_may_not_serve_is_none() -> None:
    session = Session(PromptCache(SAVING), margin=9.0)
    asked = replace(given([0.4, 0.5, 0.1], incumbent="a"), eligible=np.array([False, True, True]))
    assert session.control(asked, greedy).tolist() == [0.0, 1.0, 0.0]


def turn(session: Session, arm: str, name: str, number: int, at_us: int = NOW_US) -> bytes:
    body = number.to_bytes(16, "big")
    record = replace(STEP.decision, arm=arm, session=name, decision_key=body, created_us=at_us)
    session.decided(record, STEP.predict)
    return body


def said(session: Session, body: bytes, arm: str, **outcomes: float) -> None:
    assert STEP.feedback is not None
    session.learned(replace(STEP.feedback, decision_key=body, arm=arm, outcomes=outcomes))


def penalty(session: Session, /, **request: Any) -> tuple[str | None, float]:
    asked = given([0.4, 0.4, 0.4], **request)
    session.control(asked, soft)
    effects = session.effects(asked)
    return effects["incumbent"], max(effects.get("switch_cost", {"": 0.0}).values())


def test_the_log_gives_the_served_arm_and_the_tokens() -> None:
    session = Session(PromptCache(SAVING))
    body = turn(session, "a", "x", 1)
    assert penalty(session, session="x") == ("a", 0.0)
    assert penalty(session, session="x", prompt_tokens=1_000)[1] == pytest.approx(0.016)
    said(session, body, "a", prompt_tokens=4_000, output_tokens=1_000, cost_usd=0.1)
    assert penalty(session, session="x")[1] == pytest.approx(0.08)
    assert penalty(session, session="x", prompt_tokens=2_000)[1] == pytest.approx(0.032)
    assert penalty(session, session="y") == (None, 0.0)
    assert penalty(session, session="x", incumbent="b")[0] == "b"


def test_who_helped_out_is_the_incumbent() -> None:
    session = Session(PromptCache(SAVING))
    said(session, turn(session, "a", "x", 1), "b", quality=0.5)
    assert penalty(session, session="x")[0] == "b"


def test_feedback_of_earlier_turns_changes_nothing() -> None:
    session = Session(PromptCache(SAVING))
    early = turn(session, "a", "x", 1)
    turn(session, "c", "x", 2)
    said(session, early, "b", quality=0.5)
    assert penalty(session, session="x")[0] == "c"


def test_caches_grow_cold() -> None:
    session = Session(PromptCache(SAVING), lifetime_s=60)
    turn(session, "a", "y", 2, NOW_US - 60_000_001)
    turn(session, "a", "x", 1, NOW_US - 60_000_000)
    assert penalty(session, session="x")[0] == "a"
    assert penalty(session, session="y")[0] is None


def test_those_not_seen_for_longest_are_forgotten() -> None:
    session = Session(PromptCache(SAVING), remembered=2)
    for number, name in enumerate(["x", "y", "x", "z"]):
        turn(session, "a", name, number)
    assert [penalty(session, session=name)[0] for name in "xyz"] == ["a", None, "a"]


@pytest.mark.parametrize("wrong", [{"margin": -1.0}, {"lifetime_s": 0.0}, {"remembered": -1}])
def test_settings_are_checked(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError, match=next(iter(wrong))):
        Session(PromptCache(SAVING), **wrong)
    with pytest.raises(InvalidArgumentError, match="saving of arm 'a'"):
        PromptCache({"a": -1.0})
    with pytest.raises(InvalidArgumentError, match="seconds of arm 'a'"):
        AdapterLoad({"a": float("nan")}, utility_per_second=1.0)
