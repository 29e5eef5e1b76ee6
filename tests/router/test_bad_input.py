"""What callers get wrong is refused in one sentence, by the right error, and nothing is stored or changed."""

import gc
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from banditroute import (
    Arm,
    BanditRouteError,
    EpsilonGreedy,
    Exploration,
    LinTS,
    LinUCB,
    Objective,
    Price,
    Router,
)
from banditroute.errors import (
    InvalidArgumentError,
    InvalidContextError,
    InvalidOutcomeError,
    RouterMismatchError,
    UnknownArmError,
)
from banditroute.store import START, MemoryStore
from banditroute.testing import log_of
from banditroute.testing.world import OBJECTIVES, a_router, a_vector, url
from tests.router.world import with_history

NAN, INF = float("nan"), float("inf")


class Awkward:
    """No number at all."""


CONTEXTS: dict[str, tuple[Any, str]] = {
    "too short": ([0.1, 0.2], "context.shape"),
    "too long": ([0.1] * 4, "context.shape"),
    "empty": ([], "context.shape"),
    "one number": (0.5, "context.shape"),
    "matrix": ([[0.1, 0.2, 0.3]], "context.shape"),
    "NaN": ([0.1, NAN, 0.3], "context.nonfinite"),
    "infinite": ([0.1, INF, 0.3], "context.nonfinite"),
    "minus infinite": ([0.1, -INF, 0.3], "context.nonfinite"),
    "out of range": ([0.1, 4.0001, 0.3], "context.range"),
    "text": ("abc", "context.type"),
    "texts": (["a", "b", "c"], "context.type"),
    "digits": (["1", "2", "3"], "context.type"),
    "bytes": (b"abc", "context.type"),
    "mapping": ({"a": 1.0, "b": 2.0, "c": 3.0}, "context.type"),
    "set": ({1.0, 2.0, 3.0}, "context.type"),
    "ragged": ([[1.0], [1.0, 2.0], 3.0], "context.type"),
    "object": ([Awkward(), 1.0, 2.0], "context.type"),
    "None": (None, "context.type"),
    "a None": ([None, 1.0, 2.0], "context.type"),
    "complex": ([1j, 1.0, 2.0], "context.type"),
    "huge": ([10**400, 1, 2], "context.type"),
    "times": (np.zeros(3, dtype="datetime64[s]"), "context.type"),
    "generator": ((0.1 for _ in range(3)), "context.type"),
    "decimals": ([Decimal("0.1")] * 3, "context.type"),
}


@pytest.mark.parametrize("name", CONTEXTS)
def test_contexts(name: str) -> None:
    x, code = CONTEXTS[name]
    _refused(lambda router: router.route(x), InvalidContextError, code)


def test_the_first_vector_may_not_be_endless() -> None:
    store = MemoryStore()
    router = a_router(store)
    with pytest.raises(InvalidContextError, match="a router takes at most 4096"):
        router.route(np.zeros(4097))
    assert store.end() == START
    router.route(a_vector(0))


@pytest.mark.parametrize("x", [np.array([True, False, True]), np.arange(3, dtype=np.uint8), (0, 1, 1)])
def test_integers_and_truths_are_numbers(x: Any) -> None:
    assert a_router().route(x).record.row.dtype == np.int32


TERMS: dict[str, tuple[dict[str, Any], type[BanditRouteError], str]] = {
    "unknown arm": ({"allowed": ["tiny"]}, UnknownArmError, "arm.unknown"),
    "one string": ({"allowed": "small"}, InvalidArgumentError, "argument.invalid"),
    "no collection": ({"allowed": 5}, InvalidArgumentError, "argument.invalid"),
    "no names": ({"allowed": [["small"]]}, UnknownArmError, "arm.unknown"),
    "weights zero": ({"preferences": {"quality": 0.0}}, InvalidArgumentError, "argument.invalid"),
    "weights missing": ({"preferences": {}}, InvalidArgumentError, "argument.invalid"),
    "weight negative": ({"preferences": {"quality": -1e-9}}, InvalidArgumentError, "argument.invalid"),
    "weight NaN": ({"preferences": {"quality": NAN}}, InvalidArgumentError, "argument.invalid"),
    "weight infinite": ({"preferences": {"quality": INF}}, InvalidArgumentError, "argument.invalid"),
    "weight huge": ({"preferences": {"quality": 10**400}}, InvalidArgumentError, "argument.invalid"),
    "weight text": ({"preferences": {"quality": "1"}}, InvalidArgumentError, "argument.invalid"),
    "weight complex": ({"preferences": {"quality": 1j}}, InvalidArgumentError, "argument.invalid"),
    "weight unknown": ({"preferences": {"speed": 1.0}}, InvalidArgumentError, "argument.invalid"),
    "weights listed": ({"preferences": [1.0, 2.0]}, InvalidArgumentError, "argument.invalid"),
    "cost negative": ({"max_cost_usd": -1e-9}, InvalidArgumentError, "argument.invalid"),
    "cost NaN": ({"max_cost_usd": NAN}, InvalidArgumentError, "argument.invalid"),
    "cost text": ({"max_cost_usd": "1"}, InvalidArgumentError, "argument.invalid"),
    "tokens negative": ({"prompt_tokens": -1}, InvalidArgumentError, "argument.invalid"),
    "tokens text": ({"prompt_tokens": "many"}, InvalidArgumentError, "argument.invalid"),
    "key number": ({"key": 7}, InvalidArgumentError, "argument.invalid"),
    "key bytes": ({"key": b"7"}, InvalidArgumentError, "argument.invalid"),
    "weight too large": (
        {"preferences": {"quality": 1e308, "cost_usd": 1e308}},
        InvalidArgumentError,
        "argument.invalid",
    ),
    "weight half complex": (
        {"preferences": {"quality": np.complex64(1)}},
        InvalidArgumentError,
        "argument.invalid",
    ),
    "weight with a long name": ({"preferences": {"x" * 10**6: 1.0}}, InvalidArgumentError, "argument.invalid"),
    "arm with a long name": ({"allowed": ["x" * 10**6]}, UnknownArmError, "arm.unknown"),
    "tokens endless": ({"prompt_tokens": 10**400}, InvalidArgumentError, "argument.invalid"),
    "key long": ({"key": "x" * 1001}, InvalidArgumentError, "argument.invalid"),
    "key half a character": ({"key": "\ud800"}, InvalidArgumentError, "argument.invalid"),
    "key cut short": ({"key": "a\0b"}, InvalidArgumentError, "argument.invalid"),
    "session half a character": ({"session": "\udfff"}, InvalidArgumentError, "argument.invalid"),
    "session cut short": ({"session": "\0"}, InvalidArgumentError, "argument.invalid"),
    "cohort half a character": ({"cohort": "\ud83d"}, InvalidArgumentError, "argument.invalid"),
    "cohort cut short": ({"cohort": "chat\0"}, InvalidArgumentError, "argument.invalid"),
}


@pytest.mark.parametrize("name", TERMS)
def test_terms(name: str) -> None:
    terms, error, code = TERMS[name]
    _refused(lambda router: router.route(a_vector(0), **terms), error, code)


CHANGES: dict[str, tuple[Callable[[Router], object], type[BanditRouteError]]] = {
    "preferences": (lambda r: setattr(r, "preferences", {"quality": NAN}), InvalidArgumentError),
    "arm twice": (lambda r: r.add_arm(Arm("small")), InvalidArgumentError),
    "arm text": (lambda r: r.add_arm("tiny"), InvalidArgumentError),  # type: ignore[arg-type]
    "prior unknown": (lambda r: r.add_arm(Arm("tiny", prior={"qualty": 0.5})), InvalidOutcomeError),
    "prior out of range": (lambda r: r.add_arm(Arm("tiny", prior={"quality": 1.5})), InvalidOutcomeError),
    "drain unknown": (lambda r: r.drain_arm("tiny"), UnknownArmError),
    "retire unknown": (lambda r: r.retire_arm("tiny"), UnknownArmError),
    "retire several": (lambda r: r.retire_arm(np.array(["small", "large"])), UnknownArmError),  # type: ignore[arg-type]
    "arm half a character": (lambda r: r.add_arm(Arm("tiny\ud800")), InvalidArgumentError),
    "arm cut short": (lambda r: r.add_arm(Arm("ti\0ny")), InvalidArgumentError),
    "group half a character": (lambda _: Objective("speed", group="\ud800"), InvalidArgumentError),
    "group cut short": (lambda _: Objective("speed", group="a\0b"), InvalidArgumentError),
    "group long": (lambda _: Objective("speed", group="x" * 65), InvalidArgumentError),
    "group no text": (lambda _: Objective("speed", group=7), InvalidArgumentError),  # type: ignore[arg-type]
    "source half a character": (lambda r: _report(r, source="\ud800"), InvalidArgumentError),
    "source cut short": (lambda r: _report(r, source="a\0b"), InvalidArgumentError),
    "source long": (lambda r: _report(r, source="x" * 201), InvalidArgumentError),
    "source no text": (lambda r: _report(r, source=7), InvalidArgumentError),
    "amend several": (lambda r: _report(r, amend=np.array([True, False])), InvalidArgumentError),
    "quality half complex": (lambda r: _report(r, quality=np.complex64(0.5)), InvalidOutcomeError),
    "successor unknown": (lambda r: r.retire_arm("small", successor="tiny"), UnknownArmError),
}


@pytest.mark.parametrize("name", CHANGES)
def test_changes(name: str) -> None:
    change, error = CHANGES[name]
    _refused(change, error, None)


def test_retired_is_for_good() -> None:
    router = a_router()
    router.retire_arm("small")
    with pytest.raises(InvalidArgumentError, match="a retired arm cannot be drained"):
        router.drain_arm("small")


SETTINGS: dict[str, tuple[dict[str, Any], type[BanditRouteError]]] = {
    "no arms": ({"arms": []}, InvalidArgumentError),
    "arms that run dry": ({"arms": iter(())}, InvalidArgumentError),
    "arms twice": ({"arms": [Arm("a"), Arm("a")]}, InvalidArgumentError),
    "arms by name": ({"arms": ["a", "b"]}, InvalidArgumentError),
    "prior unknown": ({"arms": [Arm("a", prior={"speed": 1})]}, InvalidOutcomeError),
    "no objectives": ({"objectives": []}, InvalidArgumentError),
    "objectives by name": ({"objectives": ["quality"]}, InvalidArgumentError),
    "objectives twice": ({"objectives": [Objective("quality")] * 2}, InvalidArgumentError),
    "weights zero": ({"preferences": {"quality": 0}}, InvalidArgumentError),
    "policy's class": ({"policy": LinUCB}, InvalidArgumentError),
    "policy by name": ({"policy": "linucb"}, InvalidArgumentError),
    "features zero": ({"features": 0}, InvalidArgumentError),
    "features too many": ({"features": 5000}, InvalidArgumentError),
    "features half": ({"features": 2.5}, InvalidArgumentError),
    "features text": ({"features": "abc"}, InvalidArgumentError),
    "features twice": ({"features": ["a", "a"]}, InvalidArgumentError),
    "x_max zero": ({"x_max": 0}, InvalidArgumentError),
    "x_max NaN": ({"x_max": NAN}, InvalidArgumentError),
    "x_max too large": ({"x_max": 65.0}, InvalidArgumentError),
    "seed text": ({"seed": "x"}, InvalidArgumentError),
    "seed half": ({"seed": 0.5}, InvalidArgumentError),
    "seed too long": ({"seed": 2**127}, InvalidArgumentError),
    "secret short": ({"secret": b"short"}, InvalidArgumentError),
    "secret text": ({"secret": "x" * 32}, InvalidArgumentError),
    "tenant": ({"tenant": "a\nb"}, InvalidArgumentError),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_settings(name: str, tmp_path: Path) -> None:
    settings, error = SETTINGS[name]
    with pytest.raises(error) as caught:
        a_router(url(tmp_path / "never.db"), **settings)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_default_arm_lets_go_of_the_store(tmp_path: Path) -> None:
    with pytest.raises(UnknownArmError):
        a_router(url(tmp_path / "r.db"), default_arm="tiny")
    gc.collect()
    a_router(url(tmp_path / "r.db"), default_arm="large").close()


@pytest.mark.parametrize(
    "make",
    [
        lambda: LinUCB(alpha=NAN),
        lambda: LinUCB(alpha=-1),
        lambda: LinUCB(alpha=INF),
        lambda: LinUCB(ridge=0),
        lambda: LinUCB(ridge=NAN),
        lambda: LinUCB(ridge=1e-300),
        lambda: LinTS(alpha=0),
        lambda: LinTS(ridge=-1),
        lambda: EpsilonGreedy(epsilon=1),
        lambda: EpsilonGreedy(epsilon=NAN),
        lambda: Exploration(floor=1),
        lambda: Exploration(floor=-0.1),
        lambda: Exploration(burn_in=1.5),  # type: ignore[arg-type]
        lambda: Exploration(burn_in=-1),
        lambda: Exploration(burn_in_share=1.0),
        lambda: Price(input=NAN, output=0),
        lambda: Price(input=-1, output=0),
        lambda: Price(input=10**400, output=0),
        lambda: Price(input=1e300, output=0),
        lambda: Price(input=1e-300, output=0),
        lambda: Arm("a", max_output_tokens=2**63),
        lambda: Arm("a", prior={"quality": np.complex64(0.5)}),  # type: ignore[dict-item]
        lambda: Objective("quality", bounds=(-1e308, 1e308)),
        lambda: Arm(""),
        lambda: Arm("a\nb"),
        lambda: Arm("a", max_output_tokens=0),
        lambda: Arm("a", prior={"quality": NAN}),
        lambda: Arm("a", prior={"quality": "high"}),  # type: ignore[dict-item]
        lambda: Arm("a", prior=0.5),  # type: ignore[arg-type]
        lambda: Objective("not an identifier"),
        lambda: Objective("amend"),
        lambda: Objective("quality", bounds=(1, 1)),
        lambda: Objective("quality", bounds=(0, INF)),
        lambda: Objective("quality", goal="more"),  # type: ignore[arg-type]
    ],
)
def test_parts(make: Callable[[], object]) -> None:
    with pytest.raises(InvalidArgumentError):
        make()


WIDER = (Objective("quality", bounds=(0, 10)), *OBJECTIVES[1:])
SHAPES: dict[str, tuple[dict[str, Any], str]] = {
    "bounds": ({"objectives": WIDER}, "objectives"),
    "objectives": ({"objectives": OBJECTIVES[:2]}, "objectives"),
    "features": ({"features": 4}, "dimension"),
    "feature names": ({"features": ["a", "b"]}, "dimension"),
    "intercept": ({"intercept": False}, "intercept"),
    "x_max": ({"x_max": 8.0}, "x_max"),
}


@pytest.mark.parametrize("name", SHAPES)
def test_another_shape_is_named_when_reopened(name: str, tmp_path: Path) -> None:
    router = a_router(url(tmp_path / "r.db"))
    with_history(router, 3)
    digest = router.digest()
    router.close()
    change, part = SHAPES[name]
    with pytest.raises(RouterMismatchError, match=rf"^router 'world' is stored with {part} ") as caught:
        a_router(url(tmp_path / "r.db"), **change)
    assert caught.value.code == "router.mismatch"
    router = a_router(url(tmp_path / "r.db"), features=3)
    assert router.digest() == digest
    router.close()


@pytest.mark.parametrize("key", ["my name is Ann\nand", "my name is Ann " * 80])
def test_what_may_be_personal_is_not_repeated(key: str) -> None:
    router = a_router()
    decision = router.route(a_vector(0))
    with pytest.raises(InvalidArgumentError) as caught:
        router.route(a_vector(0), key=key)
    assert "Ann" not in str(caught.value)
    with pytest.raises(InvalidArgumentError) as caught:
        router.feedback(decision.id, source=key, quality=0.5)
    assert "Ann" not in str(caught.value)


def test_the_widest_prices_leave_finite_numbers() -> None:
    router = a_router(arms=[Arm(name, price=Price(input=1e-9, output=0)) for name in ("small", "large", "plain")])
    with_history(router, 20)
    router.set_price("small", Price(input=1e9, output=1e9))
    router.route(a_vector(1), max_cost_usd=float("inf"), prompt_tokens=10)
    assert router.health().faults == 0


def _report(router: Router, **report: Any) -> object:
    """Feedback on the first decision, of which nothing is known yet as far as ``source`` and ``amend`` matter."""
    first = log_of(router).keys.issue((1).to_bytes(16, "big"))
    return router.feedback(first, **{"amend": True, "quality": 0.123} | report)


def _refused(call: Callable[[Router], object], error: type[BanditRouteError], code: str | None) -> None:
    store = MemoryStore()
    router = a_router(store)
    with_history(router, 5)
    before = router.digest(), store.end(), router.health(), router.arms, router.preferences
    with pytest.raises(error) as caught:
        call(router)
    assert code is None or caught.value.code == code
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 250
    assert (router.digest(), store.end(), router.health(), router.arms, router.preferences) == before
    router.route(a_vector(77))
