"""What a router says of its decisions."""

import json
from pathlib import Path

import pytest

from banditroute import Arm
from banditroute.core.explanation import Explanation
from banditroute.core.objectives import Objectives
from banditroute.testing import SPEC, a_decision
from banditroute.testing.world import a_router, a_vector, url
from tests.router.world import with_history


def test_text_and_dict_and_html() -> None:
    router = a_router()
    world = with_history(router, 80)
    decision = router.route(a_vector(3), allowed=["small", "new"])
    router.feedback(decision.id, quality=0.25, source="judge")
    explanation = router.why(decision.id)
    facts = json.loads(json.dumps(explanation.to_dict(), allow_nan=False))
    assert facts["arm"] == decision.arm
    assert facts["propensity"] == decision.propensity
    assert facts["arms"]["large"]["excluded"] == "not allowed"
    assert facts["arms"]["large"]["probability"] == 0.0
    expected = decision.expected["small"]["quality"]
    assert facts["arms"]["small"]["expected"]["quality"] == {"mean": expected.mean, "width": expected.width}
    assert facts["state_version"] == decision.state_version
    (item,) = facts["feedback"]
    assert {name: item[name] for name in ("group", "served_arm", "outcomes", "revision", "source")} == {
        "group": "quality",
        "served_arm": decision.arm,
        "outcomes": {"quality": 0.25},
        "revision": 0,
        "source": "judge",
    }
    assert facts["created_at"] == decision.created_at.isoformat(timespec="milliseconds")
    text = str(explanation)
    marked = [line.split()[0] for line in text.splitlines() if line.endswith("← chosen")]
    assert marked == [decision.arm]
    assert text.startswith(f"{decision.arm} was chosen with probability")
    assert "not allowed" in text
    assert "← chosen" in text
    assert "quality = 0.25" in text
    assert "no feedback yet" in str(router.why(router.route(a_vector(1)).id))
    assert len(world.ids) == 80


def test_html_escapes_names() -> None:
    router = a_router(arms=[Arm("<script>alert(1)</script>"), Arm("a & b")])
    html = router.why(router.route(a_vector(0)).id)._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "a &amp; b" in html


def test_the_same_after_reopening(tmp_path: Path) -> None:
    router = a_router(url(tmp_path / "why.db"))
    world = with_history(router, 240)
    before = [router.why(identity) for identity in world.ids]
    router.close()
    router = world.reopen(url(tmp_path / "why.db"))
    for identity, explanation in zip(world.ids, before, strict=True):
        again = router.why(identity)
        assert json.dumps(again.to_dict(), sort_keys=True) == json.dumps(explanation.to_dict(), sort_keys=True)
        assert str(again) == str(explanation)
        # What a notebook calls.
        assert again._repr_html_() == explanation._repr_html_()
    router.close()


@pytest.mark.parametrize("status", ["retracted", "moved"])
def test_what_was_moved_is_said_once(status: str) -> None:
    router = a_router()
    decision = router.route(a_vector(0))
    other = next(arm for arm in router.arms if arm != decision.arm)
    router.feedback(decision.id, quality=0.25)
    router.feedback(decision.id, quality=0.5, served_arm=other, amend=True)
    [item] = router.why(decision.id).to_dict()["feedback"]
    assert (item["served_arm"], item["outcomes"]) == (other, {"quality": 0.5})


def test_effects_of_controllers_are_explained_in_words() -> None:
    effects = {
        "cache": {"resident": ["small", "large"], "epoch": 7, "pinned": []},
        "budget": {"left_usd": {"a": 0.123456}, "shares": {}},
    }
    text = str(Explanation("id", a_decision(1, effects=effects), [], Objectives(SPEC.objectives)))
    assert "\ncache: resident small, large, epoch 7, pinned none\n" in text
    assert "\nbudget: left usd a 0.1235, shares none\n" in text
    assert text.endswith("\nno feedback yet")
