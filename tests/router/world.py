"""The world of the reliability study, with more that may happen to it: amendments, retirements, prices to come."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from banditroute import Arm, Price, Router
from banditroute.store import Store
from banditroute.testing import engine_of
from banditroute.testing.world import Clock, a_router, a_vector, bodies


@dataclass
class World:
    """Drives a router step by step; a step is a function of its number and of the steps before it.

    Attributes:
        ids: Ids of all decisions.
        chosen: Arm, propensity and predictions of each, as bytes where they are floats.
    """

    clock: Clock = field(default_factory=Clock)
    ids: list[str] = field(default_factory=list)
    chosen: list[tuple[object, ...]] = field(default_factory=list)

    def copy(self) -> "World":
        """The same, going on by itself."""
        return World(Clock(self.clock.now), self.ids[:], self.chosen[:])

    def reopen(self, store: str | Store, **changes: Any) -> Router:
        """A router over what is stored."""
        return a_router(store, clock=self.clock, ids=bodies(len(self.ids) + 1), **changes)

    def step(self, router: Router, number: int) -> None:
        """One request and whatever else happens with it."""
        self.clock.now += 1.0
        if event := EVENTS.get(number):
            event(router, self.clock)
        decision = router.route(a_vector(number))
        self.ids.append(decision.id)
        evidence = decision.record
        self.chosen.append(
            (
                decision.arm,
                decision.propensity,
                evidence.mean.tobytes(),
                evidence.width.tobytes(),
                evidence.n_feedback,
            )
        )
        self._report(router, number)

    def _report(self, router: Router, number: int) -> None:
        rng = np.random.default_rng([7, number])
        response: dict[str, Any] = {
            "prompt_tokens": float(rng.integers(10, 2000)),
            "output_tokens": float(rng.integers(5, 400)),
        }
        if number % 2:
            response = {"cost_usd": float(rng.random() * 0.03)}
        if number % 10 != 3 and self._priced(router, response):
            served = "small" if number % 17 == 0 else None
            router.feedback(self.ids[-1], served_arm=served, **response, latency_s=float(rng.random() * 20))
        late = number - int(rng.integers(0, 60))
        if late >= 0 and number % 5 != 2:
            router.feedback(self.ids[late], amend=True, source="judge", quality=float(rng.random()))
        if number % 13 == 0 and late >= 0:
            quality = float(rng.random())
            router.feedback(self.ids[late], amend=True, quality=quality)
            router.feedback(self.ids[late], quality=quality)
        if number % 29 == 0 and late >= 0:
            router.feedback(self.ids[late], amend=True, served_arm="plain", quality=float(rng.random()))

    def _priced(self, router: Router, response: dict[str, float]) -> bool:
        return "cost_usd" in response or self.chosen[-1][0] not in ("plain", "newest")


def with_history(router: Router, steps: int) -> World:
    """Return a world after this many steps."""
    world = World()
    engine_of(router).clock = world.clock
    for number in range(steps):
        world.step(router, number)
    return world


def _prefer(router: Router, clock: Clock) -> None:
    router.preferences = {"quality": 1.0, "cost_usd": 0.1, "latency_s": 0.2}


EVENTS: dict[int, Callable[[Router, Clock], None]] = {
    60: lambda router, clock: router.add_arm(Arm("new", price=Price(input=1, output=2), prior={"quality": 0.6})),
    100: lambda router, clock: router.set_price("large", Price(input=1.0, output=4.0)),
    130: _prefer,
    150: lambda router, clock: router.set_price(
        "small", Price(input=0.3, output=0.5), effective_at=_moment(clock.now + 30.5)
    ),
    160: lambda router, clock: router.drain_arm("plain"),
    200: lambda router, clock: router.add_arm(Arm("newest")),
    230: lambda router, clock: router.retire_arm("plain", successor="new"),
}


def _moment(seconds: float) -> Any:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC)


def logged(store: Store) -> Iterator[Any]:
    """Everything in a store's log."""
    store.flush()
    yield from store.events()
