"""C1: the wall clock jumps, and nothing hangs on it."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from banditroute import Router
from banditroute.core.log import DecisionRecord, FeedbackRecord
from banditroute.testing import log_of
from banditroute.testing.world import EVENTS, NEW_PRICE, World, url
from simulations.reliability.harness.row import Finding, Tick

HOUR, YEARS = 3600.0, 10 * 365.25 * 86_400.0
ORDERS = {"forwards first": (HOUR, -HOUR, YEARS, -YEARS), "backwards first": (-HOUR, HOUR, -YEARS, YEARS)}


@dataclass(frozen=True, slots=True)
class Clocks:
    """So many requests, with a jump of the clock at every fifth of them; against a clock that only ticks."""

    id: ClassVar[str] = "C1"
    does: ClassVar[str] = "the clock jumps by ± 1 h and ± 10 y, in two orders, against a steady one"
    asks: ClassVar[str] = (
        "choices, order, epochs, digest unchanged; reopened equal; no feedback older than its decision"
    )
    control: ClassVar[str] = "a log ordered by its times"

    steps: int = 500

    def measure(self, place: Path, tick: Tick) -> Finding:
        """Live with a steady clock, then with each order of jumps."""
        # A price counts from a time on, and so it should: it stays out of this.
        unpriced = {number: event for number, event in EVENTS.items() if number != NEW_PRICE}
        steady = World(events=unpriced)
        expected = self._lived(steady, steady.open(), ())
        differing = negative = displaced = 0
        for done, (name, jumps) in enumerate(ORDERS.items(), 1):
            world, target = World(events=unpriced), url(place / f"{name}.db")
            router = world.open(target)
            differing += self._lived(world, router, jumps) != expected or world.chosen != steady.chosen
            router.close()
            router = world.open(target)
            differing += _order(router) != expected
            events = list(log_of(router).store.events())
            negative += _negative_ages(events)
            displaced += _displaced(events)
            router.close()
            tick(done, len(ORDERS))
        measured = {"orders of jumps": len(ORDERS), "runs that differ": differing, "negative ages": negative}
        return Finding(
            measured, not differing and not negative, {"records out of place": displaced}, displaced > 0
        )

    def _lived(self, world: World, router: Router, jumps: tuple[float, ...]) -> object:
        moments = dict(zip(range(self.steps // 5, self.steps, max(self.steps // 5, 1)), jumps, strict=False))
        for number in range(self.steps):
            world.clock.now += moments.get(number, 0.0)
            world.step(router, number)
        return _order(router)


def _order(router: Router) -> object:
    """All that may not hang on the time."""
    router.flush()
    events = [
        (type(event).__name__, event.decision_key, event.number, event.epoch, event.arm)
        for event in log_of(router).store.events()
    ]
    return router.digest(), events, router.arms, router.preferences


def _negative_ages(events: list[DecisionRecord | FeedbackRecord]) -> int:
    decided = {event.decision_key: event.created_us for event in events if isinstance(event, DecisionRecord)}
    return sum(
        isinstance(event, FeedbackRecord) and event.received_us < decided[event.decision_key] for event in events
    )


def _displaced(events: list[DecisionRecord | FeedbackRecord]) -> int:
    times = [event.created_us if isinstance(event, DecisionRecord) else event.received_us for event in events]
    order = sorted(range(len(times)), key=times.__getitem__)
    return sum(place != number for place, number in enumerate(order))
