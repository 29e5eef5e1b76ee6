"""A router that is opened again with other arms, prices, preferences or features."""

import logging
from pathlib import Path
from typing import Any

import pytest

from banditroute import Arm, Objective, Price, Router
from banditroute.errors import InvalidArgumentError, InvalidContextError, RouterMismatchError
from banditroute.testing.world import url

OLD, NEW = Price(input=1, output=2), Price(input=50, output=60)


@pytest.fixture
def where(tmp_path: Path) -> str:
    return url(tmp_path / "r.db")


def opened(where: str, *arms: Arm, **settings: Any) -> Router:
    return Router("r", arms=arms, store=where, seed=1, **settings)


def first(where: str) -> None:
    with opened(where, Arm("a", price=OLD, prior={"quality": 0.4}), Arm("gone"), Arm("idle")) as router:
        router.route([0.5])
        router.drain_arm("idle")


NEWER = (
    Arm("a", price=NEW, max_output_tokens=9, prior={"quality": 0.6}),
    Arm("idle"),
    Arm("new"),
)
SENTENCES = [
    "price of arm 'a': stored 1/2 USD per million tokens, given 50/60 USD per million tokens",
    "max_output_tokens of arm 'a': stored None, given 9",
    "prior of arm 'a': stored {'quality': 0.4}, given {'quality': 0.6} (only a new arm can get another prior)",
    "arm 'gone' is in the store and not in arms=",
    "arm 'idle' is in arms= and draining in the store",
    "preferences: stored {'quality': 1.0}, given {'quality': 2.0}",
]


@pytest.mark.parametrize(
    ("on_change", "arms", "action"),
    [
        (
            "keep",
            {"a": "active", "gone": "active", "idle": "draining", "new": "active"},
            "the stored setting is kept",
        ),
        (
            "apply",
            {"a": "active", "gone": "draining", "idle": "active", "new": "active"},
            "the given setting is applied",
        ),
    ],
)
def test_each_difference_is_logged_in_one_line_and_kept_or_applied(
    where: str, on_change: str, arms: dict[str, str], action: str, caplog: pytest.LogCaptureFixture
) -> None:
    first(where)
    changes = {"preferences": {"quality": 2.0}, "on_change": on_change}
    with caplog.at_level(logging.WARNING, "banditroute"), opened(where, *NEWER, **changes) as router:
        assert [record.getMessage() for record in caplog.records] == [
            f"router 'r': {sentence}; {action}" for sentence in SENTENCES
        ]
        assert router.arms == arms
    with opened(where, *NEWER, **changes) as router:
        assert router.arms == arms
        assert router.preferences == {"quality": 2.0 if on_change == "apply" else 1.0}


def test_applied_prices_count_for_bills(where: str) -> None:
    settings: dict[str, Any] = {
        "objectives": [Objective("quality"), Objective("cost_usd", goal="min", bounds=(0, 100))],
        "preferences": {"quality": 1.0},
    }
    opened(where, Arm("a", price=OLD), **settings).close()
    for price, on_change in ((OLD, "keep"), (NEW, "apply"), (NEW, "keep")):
        with opened(where, Arm("a", price=NEW), on_change=on_change, **settings) as router:
            decision = router.route([0.5])
            router.feedback(decision.id, prompt_tokens=1_000_000, output_tokens=0)
            assert router.why(decision.id).feedback[0].outcomes["cost_usd"] == price.input


def test_a_router_can_refuse_to_open_with_other_settings(where: str) -> None:
    first(where)
    with pytest.raises(RouterMismatchError, match=r"differs from its store: price of arm 'a': .*; and 1 more$"):
        opened(where, *NEWER, preferences={"quality": 2.0}, on_change="refuse")
    with opened(
        where, Arm("a", price=OLD, prior={"quality": 0.4}), Arm("gone"), Arm("more"), on_change="refuse"
    ) as router:
        assert router.arms["more"] == "active"
    with pytest.raises(InvalidArgumentError, match="on_change = 'no' must be 'keep', 'apply' or 'refuse'"):
        opened(where, Arm("a"), on_change="no")


def test_features_are_stored_with_their_names_and_order(where: str) -> None:
    with opened(where, Arm("a"), Arm("b"), features=["x", "y"]) as router:
        router.route({"x": 0.1, "y": 0.2})
    for others in (["y", "x"], ["x", "z"]):
        with pytest.raises(RouterMismatchError, match=r"stored with features \('x', 'y'\), not "):
            opened(where, Arm("a"), Arm("b"), features=others)
    for same in (["x", "y"], None, 2):
        with opened(where, Arm("a"), Arm("b"), features=same) as router:
            assert router.route({"y": 0.2, "x": 0.1}).record.row[0] > 0
            with pytest.raises(InvalidContextError, match="differs in"):
                router.route({"x": 0.1, "z": 0.2})


def test_names_are_adopted_by_a_router_without_names(where: str) -> None:
    with opened(where, Arm("a"), Arm("b"), features=2) as router:
        router.route([0.1, 0.2])
    opened(where, Arm("a"), Arm("b"), features=["x", "y"]).close()
    with pytest.raises(RouterMismatchError, match="stored with features"):
        opened(where, Arm("a"), Arm("b"), features=["y", "x"])


def test_a_drained_arm_can_serve_again_and_a_retired_one_cannot(where: str) -> None:
    with opened(where, Arm("a"), Arm("b")) as router:
        router.drain_arm("a")
        assert router.route([0.5]).probabilities["a"] == 0
        router.reactivate_arm("a")
        assert router.route([0.5], allowed=["a"]).arm == "a"
        router.retire_arm("a")
        with pytest.raises(InvalidArgumentError, match="arm 'a' is retired; a retired arm cannot serve again"):
            router.reactivate_arm("a")
