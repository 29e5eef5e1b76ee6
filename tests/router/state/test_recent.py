"""Recent decisions: as many as their memory allows."""

import tracemalloc
from collections.abc import Callable

import pytest

from banditroute import Arm, Router
from banditroute.controllers import Budget, Controller, EpochCache
from banditroute.errors import InvalidArgumentError
from banditroute.testing import log_of
from banditroute.testing.world import a_router, a_vector
from tests.router.test_controllers import a_cache


def many_arms(count: int, **changes: int) -> Router:
    return Router("svc", arms=[Arm(f"arm {i}") for i in range(count)], features=4, **changes)  # type: ignore[arg-type]


def test_they_are_bounded_in_bytes_and_the_oldest_go_first() -> None:
    router = many_arms(500, recent_bytes=200_000)
    recent = log_of(router).recent
    decisions = [router.route([0.1, 0.2, 0.3, 0.4]) for _ in range(40)]
    assert recent.size <= 200_000
    assert 1 < len(recent) < 40
    kept = [recent.get(each.record.decision_key) is not None for each in decisions]
    assert kept == sorted(kept)
    for decision in decisions:
        router.feedback(decision.id, quality=0.5).wait(1)
    assert router.health()["n_feedback"] == 40
    assert recent.size <= 200_000


def test_their_memory_does_not_grow_with_the_number_of_arms() -> None:
    for arms in (2, 200, 2_000):
        router = many_arms(arms, recent_bytes=1 << 20)
        for _ in range(400):
            router.route([0.1, 0.2, 0.3, 0.4])
        assert log_of(router).recent.size <= 1 << 20


def test_the_last_decision_is_kept_whatever_its_size() -> None:
    router = many_arms(50, recent_bytes=0)
    for _ in range(3):
        decision = router.route([0.1, 0.2, 0.3, 0.4])
        assert len(log_of(router).recent) == 1
        assert router.feedback(decision.id, quality=0.5).status == "recorded"


@pytest.mark.parametrize(
    ("arms", "controllers"),
    [(3, list), (300, list), (4, lambda: [a_cache()]), (4, lambda: [Budget(usd_per_request=0.01)])],
    ids=["few arms", "many arms", "a cache", "a budget"],
)
def test_the_estimate_is_near_what_they_take(arms: int, controllers: Callable[[], list[Controller]]) -> None:
    made = controllers()
    is_priced = any(isinstance(each, Budget | EpochCache) for each in made)
    router = a_router(controllers=made) if is_priced else many_arms(arms)
    recent, features = log_of(router).recent, 3 if is_priced else 4
    for number in range(50):
        router.route(a_vector(number)[:features] if is_priced else [0.1, 0.2, 0.3, 0.4])
    tracemalloc.start()
    try:
        before, size = tracemalloc.get_traced_memory()[0], recent.size
        for number in range(300):
            decision = router.route(a_vector(number)[:features] if is_priced else [0.1, 0.2, 0.3, 0.4])
            router.feedback(decision.id, quality=0.5)
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert 0.6 * (recent.size - size) < taken < 1.6 * (recent.size - size)


def test_the_size_is_that_of_the_entries_after_any_change() -> None:
    router = a_router(recent_bytes=100_000)
    recent = log_of(router).recent
    decisions = [router.route(a_vector(number)) for number in range(60)]
    router.feedback(decisions[-1].id, quality=0.5)
    router.forget(decisions=[decisions[-1].id, decisions[-2].id])
    held = [entry for each in decisions if (entry := recent.get(each.record.decision_key)) is not None]
    assert recent.size == sum(entry.size for entry in held)
    recent.set_horizon(decisions[-5].record.created_us)
    held = [entry for each in decisions if (entry := recent.get(each.record.decision_key)) is not None]
    assert recent.size == sum(entry.size for entry in held)


@pytest.mark.parametrize("wrong", [-1, 1.5, "64 MB", None, True])
def test_a_budget_that_is_no_number_of_bytes_is_refused(wrong: object) -> None:
    with pytest.raises(InvalidArgumentError, match="recent_bytes"):
        Router("svc", arms=[Arm("a")], recent_bytes=wrong)  # type: ignore[arg-type]
