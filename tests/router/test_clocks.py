"""Clocks that jump, step back and forth, or differ between workers."""

import random
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from banditroute import Arm, Objective, OutcomeWindow, Price, Router
from banditroute.controllers import Budget, CircuitBreaker, Session
from banditroute.controllers.session import PromptCache
from banditroute.core.log_time import LogTime
from banditroute.testing.world import Clock

DAY = 86_400.0
START = 1_700_000_000.0

Skew = Callable[[int], float]

SKEWS: dict[str, tuple[Skew, float]] = {
    "steps by 11 s": (lambda step: 11.0 * (step % 2), 11.0),
    "two workers, 0.5 s apart": (lambda step: 0.5 * (step % 2), 0.5),
    "one request a day ahead": (lambda step: DAY * (step == 500), DAY),
    "a day back": (lambda step: -DAY * (step >= 500), 0.0),
    "a day back and forward": (lambda step: -DAY * (500 <= step < 900), 0.0),
}


def spent(skew: Skew) -> float:
    """Return the dollars spent in 3,000 s under a budget of 0.001 USD/s."""
    rng, clock, budget = random.Random(0), Clock(START), Budget(usd_per_day=86.4)
    router = Router(
        "r",
        arms=[Arm("cheap"), Arm("costly")],
        objectives=[Objective("quality"), Objective("cost_usd", goal="min", bounds=(0, 0.05))],
        preferences={"quality": 1.0},
        controllers=[budget],
        seed=1,
        clock=clock,
    )
    for step in range(3000):
        clock.now = START + step + skew(step)
        decision = router.route([rng.random()])
        is_costly = decision.arm == "costly"
        router.feedback(decision.id, quality=0.9 if is_costly else 0.5, cost_usd=0.01 if is_costly else 0.0002)
    return budget.spent["cost_usd"]


@pytest.mark.parametrize("name", list(SKEWS))
def test_a_budget_earns_no_more_than_the_skew(name: str) -> None:
    skew, at_most = SKEWS[name]
    assert spent(skew) <= 1.1 * (3000 + at_most) * 0.001


def test_an_arm_is_tried_again_after_the_clock_was_corrected() -> None:
    clock = Clock(START + DAY)
    router = Router(
        "r",
        arms=[Arm("a"), Arm("b")],
        objectives=[Objective("quality"), Objective("available")],
        controllers=[CircuitBreaker(cool_down_s=30, longest_s=300)],
        seed=1,
        clock=clock,
    )
    for _ in range(3):
        router.feedback(router.route([0.5], allowed=["a"]).id, available=0)
    clock.now -= DAY
    tried = None
    while tried is None and clock.now < START + 300:
        clock.now += 1
        decision = router.route([0.5])
        if decision.arm == "a":
            tried = clock.now - START
        router.feedback(decision.id, available=1, quality=0.2)
    assert tried is not None
    assert 25 <= tried <= 100


def test_a_decision_of_a_clock_ahead_keeps_no_window_open() -> None:
    clock = Clock(START)
    window = OutcomeWindow(100, missing="default", default=0.0)
    router = Router("r", arms=[Arm("a"), Arm("b")], objectives=[Objective("quality", window=window)], clock=clock)
    clock.now = START + DAY
    router.route([0.5])
    for step in range(200):
        clock.now = START + step
        router.route([0.5])
    # 201 decisions; of the last 100 s none is closed, and time stood still for 10 s.
    assert 85 <= router.health().n_feedback <= 105


def test_a_session_keeps_its_arm_while_the_clock_steps() -> None:
    clock = Clock(START)
    router = Router(
        "r",
        arms=[Arm("a"), Arm("b")],
        controllers=[Session(PromptCache({"a": 1.0, "b": 1.0}), lifetime_s=5)],
        clock=clock,
    )
    held = []
    for step in range(20):
        clock.now = START + step + 11 * (step % 2)
        held.append(router.route([0.5], session="one").mode == "held")
    assert held.count(True) >= 10


def test_the_price_set_last_applies(tmp_path: object) -> None:
    clock = Clock(START + DAY)
    router = Router(
        "r",
        arms=[Arm("a", price=Price(input=1, output=1))],
        objectives=[Objective("quality"), Objective("cost_usd", goal="min", bounds=(0, 100))],
        clock=clock,
    )
    router.set_price("a", Price(input=90, output=90))
    scheduled = datetime.fromtimestamp(START + 3 * DAY, UTC)
    router.set_price("a", Price(input=7, output=7), effective_at=scheduled)
    clock.now = START
    router.set_price("a", Price(input=2, output=2))
    bills = []
    for days in (0, 2, 4):
        clock.now = START + days * DAY
        decision = router.route([0.5])
        router.feedback(decision.id, prompt_tokens=1_000_000, output_tokens=0)
        bills.append(router.why(decision.id).feedback[0].outcomes["cost_usd"])
    assert bills == [2.0, 2.0, 7.0]


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(-20_000_000, 20_000_000)), max_size=200))
def test_time_follows_the_clock_that_is_ahead_if_clocks_differ_little(steps: list[tuple[int, int]]) -> None:
    time, true, ahead, last = LogTime(), 0, None, None
    for step, skew in steps:
        true += step
        read = true + skew
        ahead = read if ahead is None else max(ahead, read)
        peeked = time.at(read)
        now = time.advance(read)
        assert now == peeked == ahead
        assert last is None or now >= last
        last = now
        time = LogTime.restored(time.state())


@given(st.lists(st.integers(-(2**50), 2**50), min_size=1, max_size=100))
def test_time_never_goes_back(times_us: list[int]) -> None:
    time = LogTime()
    read = [time.advance(each) for each in times_us]
    assert read == sorted(read)
    gained = sum(max(b - a, 0) for a, b in pairwise(times_us))
    assert read[-1] - read[0] <= gained
