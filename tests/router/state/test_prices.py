"""A price acts when it is said to, scales what was learned, and survives a restart."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from banditroute import Arm, Price, Router, Uniform
from banditroute.errors import InvalidArgumentError, UnknownArmError
from banditroute.store import MemoryStore
from banditroute.testing import engine_of
from banditroute.testing.world import Clock, a_router, a_vector, bodies, url

X = (0.25, 0.5, -0.5)


def learned(clock: Clock, store: object = None) -> Router:
    """A router that saw some dollars."""
    router = a_router(store, clock=clock, policy=Uniform())  # type: ignore[arg-type]
    for number in range(40):
        decision = router.route(a_vector(number))
        router.feedback(decision.id, cost_usd=0.01 + 0.0001 * number, latency_s=2.0)
        clock.now += 1
    return router


def dollars(router: Router, arm: str = "large") -> tuple[float, float]:
    """What a request is expected to cost, and the width of that."""
    expectation = router.route(X).expected[arm]["cost_usd"]
    return expectation.mean, expectation.width


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def test_learned_dollars_are_scaled_at_once() -> None:
    clock = Clock()
    router = learned(clock)
    before, other = dollars(router), dollars(router, "plain")
    digest = router.digest()
    router.set_price("large", Price(input=1.25, output=5.0))
    assert dollars(router) == pytest.approx((before[0] / 2, before[1] / 2))
    assert dollars(router, "plain") == other
    assert router.digest() == digest


def test_other_ratios_are_weighed_three_to_one() -> None:
    router = learned(Clock())
    before = dollars(router)
    router.set_price("large", Price(input=5.0, output=10.0))
    assert dollars(router)[0] == pytest.approx(before[0] * (3 * 5.0 + 10.0) / (3 * 2.5 + 10.0))


def test_new_dollars_are_learned_at_the_first_price() -> None:
    clock, still = Clock(), Clock()
    router, unchanged = learned(clock), learned(still)
    router.set_price("large", Price(input=5.0, output=20.0))
    one, other = router.route(X), unchanged.route(X)
    router.feedback(one.id, served_arm="large", cost_usd=0.03, latency_s=1.0)
    unchanged.feedback(other.id, served_arm="large", cost_usd=0.015, latency_s=1.0)
    assert router.digest() == unchanged.digest()


def test_a_price_of_the_future_waits() -> None:
    clock = Clock()
    router = learned(clock)
    before = dollars(router)
    router.set_price("large", Price(input=5.0, output=20.0), effective_at=at(clock.now + 10))
    router.set_price("large", Price(input=7.5, output=30.0), effective_at=at(clock.now + 20))
    router.set_price("large", Price(input=1.25, output=5.0), effective_at=at(clock.now + 5))
    router.drain_arm("large")
    for seconds, factor in ((0, 1.0), (4.9, 1.0), (5, 0.5), (9, 0.5), (10, 2.0), (20, 3.0), (1e6, 3.0)):
        later = Clock(clock.now + seconds)
        engine_of(router).clock = later
        assert dollars(router)[0] == pytest.approx(factor * before[0]), seconds


def test_a_clock_that_jumps_back_finds_the_price_of_that_time() -> None:
    clock = Clock()
    router = learned(clock)
    before = dollars(router)
    clock.now += 10
    router.set_price("large", Price(input=1.25, output=5.0))
    assert dollars(router) == pytest.approx((before[0] / 2, before[1] / 2))
    clock.now -= 5
    assert dollars(router) == before


def test_a_price_of_the_past_counts_from_now() -> None:
    clock = Clock()
    router = learned(clock)
    before = dollars(router)
    early = router.route(X)
    clock.now += 1
    router.set_price("large", Price(input=5.0, output=20.0), effective_at=at(clock.now - 1000))
    assert dollars(router)[0] == pytest.approx(2 * before[0])
    digest = router.digest()
    router.feedback(early.id, served_arm="large", cost_usd=0.01, latency_s=1.0)
    reference = learned(Clock())
    reference.feedback(reference.route(X).id, served_arm="large", cost_usd=0.01, latency_s=1.0)
    assert router.digest() == reference.digest() != digest


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_reopening_keeps_reference_present_and_future(kind: str, tmp_path: Path) -> None:
    clock = Clock()
    store = MemoryStore() if kind == "memory" else url(tmp_path / "prices.db")
    router = learned(clock, store)
    before = dollars(router)
    router.set_price("large", Price(input=5.0, output=20.0))
    clock.now += 1
    router.set_price("large", Price(input=1.25, output=5.0), effective_at=at(clock.now + 100))
    router.set_price("small", Price(input=0.3, output=1.2), effective_at=at(clock.now + 50))
    for opening in range(3):
        assert dollars(router)[0] == pytest.approx(2 * before[0])
        router.close()
        router = a_router(store, clock=clock, policy=Uniform(), ids=bodies(1000 * (opening + 1)))
    cheap = dollars(router, "small")
    router.drain_arm("plain")
    clock.now += 200
    assert dollars(router)[0] == pytest.approx(before[0] / 2)
    assert dollars(router, "small")[0] == pytest.approx(2 * cheap[0])
    router.close()


def test_a_price_for_an_arm_that_had_none_scales_nothing() -> None:
    router = learned(Clock())
    before = dollars(router, "plain")
    router.set_price("plain", Price(input=1.0, output=1.0))
    assert dollars(router, "plain") == before


def test_free_arms() -> None:
    router = a_router(arms=[Arm("a", price=Price(input=0, output=0)), Arm("b", price=Price(input=1, output=1))])
    router.set_price("a", Price(input=1, output=1))
    router.set_price("b", Price(input=0, output=0))
    decision = router.route(X)
    assert decision.expected["b"]["cost_usd"].mean == 0.0
    router.feedback(decision.id, served_arm="b", cost_usd=0.0, latency_s=1.0)


def test_what_is_no_price_is_refused() -> None:
    router = a_router()
    with pytest.raises(InvalidArgumentError, match="must be a Price, got float"):
        router.set_price("large", 3.0)  # type: ignore[arg-type]
    with pytest.raises(UnknownArmError):
        router.set_price("huge", Price(input=1, output=1))
    for moment in (datetime(2030, 1, 1), "tomorrow", 5):
        with pytest.raises(InvalidArgumentError, match="must be a datetime with a time zone"):
            router.set_price("large", Price(input=1, output=1), effective_at=moment)  # type: ignore[arg-type]
    router.set_price(
        "large",
        Price(input=1, output=1),
        effective_at=datetime(2030, 1, 1, tzinfo=timezone(timedelta(hours=5))),
    )
