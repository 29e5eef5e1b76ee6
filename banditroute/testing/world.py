"""A small simulated world: requests, late and amended feedback, arms and prices that change; all from a seed."""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from banditroute import Arm, LinUCB, Objective, Price, Router
from banditroute.core.arrays import FloatArray
from banditroute.core.ids import IdSource
from banditroute.store import Store

SECRET = bytes(range(32))
OBJECTIVES = (
    Objective("quality", bounds=(0, 1)),
    Objective("cost_usd", goal="min", bounds=(0, 0.05)),
    Objective("latency_s", goal="min", bounds=(0, 30)),
)
ARMS = (
    Arm("small", price=Price(input=0.15, output=0.6)),
    Arm("large", price=Price(input=2.5, output=10.0), max_output_tokens=500, prior={"quality": 0.8}),
    Arm("plain"),
)
PREFERENCES = {"quality": 1.0, "cost_usd": 0.4}
FEATURES = 3
START = 1_700_000_000.0
LATEST = 60


@dataclass
class Clock:
    """A clock that stands still until a test moves it [s since the epoch]."""

    now: float = START

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def bodies(first: int = 1) -> IdSource:
    """Bodies of ids, counted from ``first`` on."""
    numbers = itertools.count(first)
    return lambda: next(numbers).to_bytes(16, "big")


def a_router(store: str | Store | None = None, *, name: str = "world", **changes: Any) -> Router:
    """A router of three arms, two objective groups and three features."""
    settings: dict[str, Any] = {
        "arms": ARMS,
        "objectives": OBJECTIVES,
        "preferences": PREFERENCES,
        "secret": SECRET,
        "clock": Clock(),
        "ids": bodies(),
        "seed": 5,
        "policy": LinUCB(alpha=0.8, ridge=3.0),
    }
    return Router(name, store=store, **settings | changes)


def url(path: Path) -> str:
    """Return the URL of a SQLite file."""
    return f"sqlite:///{path}"


def a_vector(number: int) -> FloatArray:
    """The features of request ``number``."""
    return np.random.default_rng(number).uniform(-1, 1, FEATURES)


Event: TypeAlias = Callable[[Router], None]

NEW_PRICE = 100
EVENTS: Mapping[int, Event] = {
    60: lambda router: router.add_arm(Arm("new", price=Price(input=1, output=2), prior={"quality": 0.6})),
    NEW_PRICE: lambda router: router.set_price("large", Price(input=1.0, output=4.0)),
    130: lambda router: setattr(router, "preferences", {"quality": 1.0, "cost_usd": 0.1, "latency_s": 0.2}),
    160: lambda router: router.drain_arm("plain"),
    230: lambda router: router.retire_arm("plain", successor="new"),
}


@dataclass
class World:
    """Drives a router step by step; a step is a function of its number and of the steps before it.

    Attributes:
        ids: Of all decisions.
        events: Number of a step → what else happens before it.
        chosen: Arm, propensity and predictions of each, as bytes where they are floats.
    """

    clock: Clock = field(default_factory=Clock)
    ids: list[str] = field(default_factory=list)
    chosen: list[tuple[object, ...]] = field(default_factory=list)
    events: Mapping[int, Event] = field(default_factory=lambda: EVENTS)

    def open(self, store: str | Store | None = None, **changes: Any) -> Router:
        """Open a router on a store; it continues where this world stands."""
        settings: dict[str, Any] = {"clock": self.clock, "ids": bodies(len(self.ids) + 1)}
        if self.ids:
            # Stored preferences win, and a router would warn of that at every opening.
            settings["preferences"] = None
        return a_router(store, **settings | changes)

    def step(self, router: Router, number: int) -> None:
        """One request, and whatever else happens with it."""
        self.clock.now += 1.0
        if event := self.events.get(number):
            event(router)
        decision = router.route(a_vector(number))
        self.ids.append(decision.id)
        evidence = router.why(decision.id).decision
        predictions = evidence.mean.tobytes(), evidence.width.tobytes()
        self.chosen.append((decision.arm, decision.propensity, *predictions, evidence.n_feedback))
        rng = np.random.default_rng([7, number])
        if number % 10 != 3:
            served = "small" if number % 17 == 0 else None
            cost, latency = float(rng.random() * 0.03), float(rng.random() * 20)
            router.feedback(decision.id, served_arm=served, cost_usd=cost, latency_s=latency)
        late = number - int(rng.integers(0, LATEST))
        if late >= 0 and number % 5 != 2:
            router.feedback(self.ids[late], amend=True, source="judge", quality=float(rng.random()))
