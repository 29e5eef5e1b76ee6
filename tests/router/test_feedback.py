"""What feedback means: late, partial, twice, corrected, of another arm."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from banditroute import Arm, Objective, Price, Router
from banditroute.core.log import FeedbackRecord
from banditroute.errors import (
    BanditRouteError,
    FeedbackConflictError,
    InvalidDecisionIdError,
    InvalidOutcomeError,
    UnknownArmError,
)
from banditroute.store import MemoryStore
from banditroute.testing import log_of
from banditroute.testing.world import Clock, a_router, a_vector, bodies, url
from tests.router.world import logged

RESPONSE: dict[str, Any] = {"cost_usd": 0.01, "latency_s": 3.0}


def decided(store: MemoryStore | None = None, requests: int = 4) -> tuple[Router, list[str]]:
    """A router, and the ids of its decisions."""
    router = a_router(store)
    return router, [router.route(a_vector(number)).id for number in range(requests)]


def test_parts_may_come_in_any_order_and_late() -> None:
    one, ids = decided()
    other, _ = decided()
    for identity in ids:
        assert one.feedback(identity, **RESPONSE, quality=0.5).status == "recorded"
    for identity in reversed(ids):
        other.feedback(identity, quality=0.5)
    assert one.digest() != other.digest()
    for number, identity in enumerate(ids):
        other.route(a_vector(100 + number))
        other.feedback(identity, **RESPONSE)
    assert one.digest() == other.digest()


def test_the_same_again_is_harmless() -> None:
    store = MemoryStore()
    router, ids = decided(store)
    router.feedback(ids[0], **RESPONSE, quality=0.5)
    before = router.digest(), len(list(logged(store)))
    assert router.feedback(ids[0], quality=0.5).status == "duplicate"
    assert router.feedback(ids[0], latency_s=3.0, cost_usd=0.01, amend=True).wait().status == "duplicate"
    assert (router.digest(), len(list(logged(store)))) == before


def test_a_conflict_needs_amend_and_changes_nothing() -> None:
    router, ids = decided()
    router.feedback(ids[0], quality=0.5)
    before = router.digest()
    with pytest.raises(FeedbackConflictError, match=r"^different feedback already recorded .*amend=True"):
        router.feedback(ids[0], quality=0.6)
    with pytest.raises(FeedbackConflictError):
        router.feedback(ids[0], served_arm="plain", quality=0.5)
    assert router.digest() == before


def test_an_amendment_leaves_no_trace_of_the_first_report() -> None:
    amended, ids = decided()
    straight, _ = decided()
    amended.feedback(ids[0], **RESPONSE, quality=0.25)
    amended.feedback(ids[1], quality=0.75)
    amended.feedback(ids[0], quality=0.5, amend=True)
    amended.feedback(ids[0], cost_usd=0.02, latency_s=4.0, quality=0.9, amend=True)
    straight.feedback(ids[1], quality=0.75)
    straight.feedback(ids[0], quality=0.9, cost_usd=0.02, latency_s=4.0)
    assert amended.digest() == straight.digest()


@pytest.mark.parametrize("quality", [0.5, 0.7])
def test_values_move_to_the_arm_that_served(quality: float) -> None:
    store = MemoryStore()
    moved, ids = decided(store)
    straight, _ = decided()
    arm = moved.why(ids[0]).decision.arm
    other = next(name for name in moved.arms if name != arm)
    moved.feedback(ids[0], quality=0.5)
    moved.feedback(ids[0], quality=quality, served_arm=other, amend=True)
    straight.feedback(ids[0], quality=quality, served_arm=other)
    assert moved.digest() == straight.digest()
    taken, put = [r for r in logged(store) if isinstance(r, FeedbackRecord)][1:]
    assert (taken.arm, taken.values, taken.revision) == (arm, None, 1)
    assert (put.arm, put.previous, put.revision, put.number) == (other, None, 2, 3)
    moved.feedback(ids[0], quality=0.1, amend=True, served_arm=arm)
    straight.feedback(ids[0], quality=0.1, amend=True, served_arm=arm)
    assert moved.digest() == straight.digest()


def test_served_arm_is_the_one_that_is_trained() -> None:
    store = MemoryStore()
    router, ids = decided(store)
    router.feedback(ids[0], served_arm="plain", quality=0.1)
    assert [r.arm for r in logged(store) if isinstance(r, FeedbackRecord)] == ["plain"]
    assert "served by plain" in str(router.why(ids[0])) or router.why(ids[0]).decision.arm == "plain"
    for name in ("unknown", ""):
        with pytest.raises(UnknownArmError, match=f"^unknown arm '{name}'"):
            router.feedback(ids[1], served_arm=name, quality=0.1)


def test_tokens_become_dollars() -> None:
    router, ids = decided()
    other, _ = decided()
    tokens: dict[str, Any] = {"prompt_tokens": 1000, "output_tokens": 200}
    router.feedback(ids[0], served_arm="large", **tokens, latency_s=1.0)
    other.feedback(ids[0], served_arm="large", cost_usd=0.0045, latency_s=1.0)
    assert router.digest() == other.digest()
    router.feedback(ids[1], served_arm="large", **tokens, cost_usd=0.03, latency_s=1.0)
    other.feedback(ids[1], served_arm="large", cost_usd=0.03, latency_s=1.0)
    assert router.digest() == other.digest()


def test_tokens_cost_what_they_did_when_it_was_decided() -> None:
    clock = Clock()
    router = a_router(clock=clock)
    identity = router.route(a_vector(1)).id
    tokens: dict[str, Any] = {"prompt_tokens": 1000, "output_tokens": 200, "latency_s": 1.0}
    router.feedback(identity, served_arm="large", **tokens)
    clock.now += 1
    router.set_price("large", Price(input=5.0, output=20.0))
    clock.now += 1
    assert router.feedback(identity, served_arm="large", **tokens).status == "duplicate"


def test_an_incomplete_group_says_what_is_missing() -> None:
    router, ids = decided()
    with pytest.raises(
        InvalidOutcomeError, match=r"^objective group 'response' needs: cost_usd, latency_s; missing: latency_s$"
    ) as caught:
        router.feedback(ids[0], cost_usd=0.01)
    assert caught.value.code == "outcome.missing"


BAD: dict[str, tuple[dict[str, Any], type[BanditRouteError], str]] = {
    "nothing": ({}, InvalidOutcomeError, "outcome.missing"),
    "part of a group": ({"cost_usd": 0.01}, InvalidOutcomeError, "outcome.missing"),
    "one of two groups bad": ({"quality": 0.5, "latency_s": 3.0}, InvalidOutcomeError, "outcome.missing"),
    "first good, second out of bounds": (
        {**RESPONSE, "quality": 1.0001},
        InvalidOutcomeError,
        "outcome.range",
    ),
    "below": ({"quality": -1e-5}, InvalidOutcomeError, "outcome.range"),
    "unknown": ({"qualty": 0.5}, InvalidOutcomeError, "outcome.unknown"),
    "None": ({"quality": None}, InvalidOutcomeError, "outcome.type"),
    "text": ({"quality": "0.5"}, InvalidOutcomeError, "outcome.type"),
    "bytes": ({"quality": b"1"}, InvalidOutcomeError, "outcome.type"),
    "list": ({"quality": [0.5]}, InvalidOutcomeError, "outcome.type"),
    "complex": ({"quality": 1j}, InvalidOutcomeError, "outcome.type"),
    "NaN": ({"quality": float("nan")}, InvalidOutcomeError, "outcome.nonfinite"),
    "infinite cost": ({"cost_usd": float("inf"), "latency_s": 1.0}, InvalidOutcomeError, "outcome.nonfinite"),
    "huge": ({"quality": 10**400}, InvalidOutcomeError, "outcome.type"),
    "one token count": ({"prompt_tokens": 5, "latency_s": 1.0}, InvalidOutcomeError, "outcome.missing"),
    "negative tokens": (
        {"prompt_tokens": -1, "output_tokens": 1, "latency_s": 1.0},
        InvalidOutcomeError,
        "outcome.type",
    ),
    "huge tokens": (
        {"prompt_tokens": 10**400, "output_tokens": 1, "latency_s": 1.0},
        InvalidOutcomeError,
        "outcome.type",
    ),
    "tokens without a price": (
        {"served_arm": "plain", "prompt_tokens": 5, "output_tokens": 5, "latency_s": 1.0},
        InvalidOutcomeError,
        "outcome.type",
    ),
    "source": ({"quality": 0.5, "source": 5}, BanditRouteError, "argument.invalid"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_feedback_is_one_sentence_and_nothing_happens(name: str) -> None:
    outcomes, error, code = BAD[name]
    store = MemoryStore()
    router, ids = decided(store)
    router.feedback(ids[1], quality=0.5)
    before = router.digest(), store.end(), router.health()
    with pytest.raises(error) as caught:
        router.feedback(ids[0], **outcomes)
    assert caught.value.code == code
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200
    assert (router.digest(), store.end(), router.health()) == before


def test_decimals_and_truths_are_numbers() -> None:
    from decimal import Decimal

    router, ids = decided()
    other, _ = decided()
    router.feedback(ids[0], quality=Decimal("0.5"))  # type: ignore[arg-type]
    router.feedback(ids[1], quality=True)
    other.feedback(ids[0], quality=0.5)
    other.feedback(ids[1], quality=1)
    assert router.digest() == other.digest()
    for nan in (Decimal("NaN"), Decimal("sNaN")):
        with pytest.raises(InvalidOutcomeError):
            router.feedback(ids[2], quality=nan)  # type: ignore[arg-type]


FORGERIES: dict[str, Callable[[str], object]] = {
    "truncated": lambda identity: identity[:-1],
    "longer": lambda identity: identity + "A",
    "body changed": lambda identity: "A" * 21 + "B" + identity[22:],
    "tag changed": lambda identity: identity[:-2] + ("AA" if identity[-2:] != "AA" else "BB"),
    "empty": lambda _: "",
    "other script": lambda identity: "ж" + identity[1:],
    "bytes": lambda identity: identity.encode(),
    "None": lambda _: None,
    "number": lambda _: 7,
}


@pytest.mark.parametrize("name", FORGERIES)
def test_forged_ids_are_refused(name: str) -> None:
    router, ids = decided()
    forged = FORGERIES[name](ids[0])
    for ask in (lambda: router.feedback(forged, quality=0.5), lambda: router.why(forged)):  # type: ignore[arg-type]
        with pytest.raises(InvalidDecisionIdError, match=r"^not a decision id issued by this router$"):
            ask()


def test_foreign_ids_are_refused() -> None:
    foreign = Router("other", arms=[Arm("small")], secret=bytes(range(32))).route([0.0])
    router, _ = decided()
    with pytest.raises(InvalidDecisionIdError):
        router.feedback(foreign.id, quality=0.5)


def test_a_resource_is_learned_linearly_beyond_its_scale() -> None:
    router, ids = decided()
    router.feedback(ids[0], cost_usd=7.0, latency_s=-3.0)
    (record,) = router.why(ids[0]).feedback
    assert record.values == (round(7.0 / 0.05 * 2**16), round(-3.0 / 30 * 2**16))
    assert router.health().beyond_limit == {}


def test_a_value_beyond_the_limit_is_kept_counted_shown_and_not_learned(tmp_path: Path) -> None:
    store = url(tmp_path / "r.db")
    with a_router(store) as router:
        decision = router.route(a_vector(1))
        before = router.digest()
        router.feedback(decision.id, cost_usd=1e6, latency_s=3.0).wait(30)
        assert router.digest() == before
        assert router.health().beyond_limit == {"cost_usd": 1}
        assert "cost_usd = 1e+06, beyond its limit" in str(router.why(decision.id))
        assert router.why(decision.id).to_dict()["feedback"][0]["beyond_limit"] == {"cost_usd": 1e6}
    with a_router(store, ids=bodies(2)) as router:
        assert router.digest() == before
        assert router.health().beyond_limit == {"cost_usd": 1}
        router.feedback(decision.id, cost_usd=0.01, latency_s=3.0, amend=True)
        amended = router.digest()
    with a_router() as other:
        other.feedback(other.route(a_vector(1)).id, cost_usd=0.01, latency_s=3.0)
        assert other.digest() == amended


def test_the_limit_may_be_lower() -> None:
    objectives = (Objective("latency_s", goal="min", scale=2.0, limit=5.0),)
    router = Router("svc", arms=[Arm("a")], objectives=objectives, features=1)
    for latency, learned in ((10.0, True), (10.1, False), (-10.0, True), (-10.1, False)):
        decision = router.route([0.5])
        router.feedback(decision.id, latency_s=latency)
        (record,) = router.why(decision.id).feedback
        assert (record.values is not None) is learned, latency
    assert router.health().beyond_limit == {"latency_s": 2}


def test_feedback_of_decisions_that_left_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("banditroute.router.opening.RECENT_DECISIONS", 2)
    store = MemoryStore()
    short, ids = decided(store, 8)
    monkeypatch.undo()
    long, _ = decided(requests=8)
    for router in (short, long):
        for identity in ids:
            router.feedback(identity, quality=0.5)
        for identity in ids:
            assert router.feedback(identity, quality=0.5).status == "duplicate"
            router.feedback(identity, quality=0.75, amend=True)
    assert short.digest() == long.digest()
    assert len(log_of(short).recent) == 2


def test_an_unknown_decision_is_awaited() -> None:
    """Another worker may have made it; what can be checked is checked at once."""
    router = a_router()
    router.route(a_vector(1))
    never = log_of(router).keys.issue(bytes(16))
    before = router.digest()
    assert router.feedback(never, quality=0.5).wait(1).status == "pending"
    with pytest.raises(InvalidOutcomeError, match="outside"):
        router.feedback(never, quality=1.5)
    with pytest.raises(UnknownArmError):
        router.feedback(never, quality=0.5, served_arm="unknown")
    assert router.digest() == before


def test_bounds_of_any_sign() -> None:
    objectives = [Objective("gain", bounds=(-4, 12))]
    router = a_router(objectives=objectives, preferences=None, arms=[Arm("a")], intercept=False, x_max=1)
    decision = router.route([1.0])
    router.feedback(decision.id, gain=-2.0)
    record = next(iter(router.why(decision.id).feedback))
    assert record.values == (1 << 13,)
    assert replace(record, values=None).values is None


def test_nothing_is_reported_before_it_was_decided() -> None:
    clock, store = Clock(), MemoryStore()
    router = a_router(store, clock=clock)
    decision = router.route(a_vector(0))
    clock.now -= 3600.0
    router.feedback(decision.id, quality=0.5)
    (feedback,) = [record for record in logged(store) if isinstance(record, FeedbackRecord)]
    assert feedback.received_us == decision.record.created_us
