"""Traffic for the probes: routers with a history, timed requests, and an event loop."""

import asyncio
import gc
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from banditroute import Arm, Objective, Router
from banditroute.core.arrays import FloatArray


@dataclass
class Traffic:
    """One router and its requests; each request is routed, and all its outcomes are reported."""

    router: Router
    contexts: FloatArray
    sent: int = 0
    wall: list[float] = field(default_factory=list)
    own: list[float] = field(default_factory=list)

    @classmethod
    def of(cls, settings: Mapping[str, Any], store: str | None) -> "Traffic":
        """A router at this store, and contexts that repeat."""
        router = Router(
            "tails",
            arms=[Arm(f"arm {index}") for index in range(settings["arms"])],
            objectives=[Objective("quality"), Objective("cost_usd", goal="min", bounds=(0, 0.05))],
            features=settings["features"],
            store=store,
            seed=settings["seed"],
        )
        rng = np.random.default_rng(settings["seed"])
        return cls(router, rng.normal(size=(4_096, settings["features"])).clip(-4, 4))

    def warm(self, requests: int) -> None:
        """Send requests that are not timed."""
        for _ in range(requests):
            self.step()
        self.router.flush()
        self.wall.clear()
        self.own.clear()

    def step(self) -> None:
        """Send one request; only ``route`` is timed."""
        x = self.contexts[self.sent % len(self.contexts)]
        self.sent += 1
        wall, own = time.perf_counter(), time.thread_time()
        decision = self.router.route(x)
        self.own.append(time.thread_time() - own)
        self.wall.append(time.perf_counter() - wall)
        self.router.feedback(decision.id, quality=0.5 + 0.1 * float(np.tanh(x[0])))
        self.router.feedback(decision.id, cost_usd=0.01)


def durability(traffic: Traffic, count: int, *, is_busy: bool) -> list[float]:
    """Return how long decisions take to be on stable storage [s], alone or beside a thread that sends requests."""
    stop = threading.Event()

    def send() -> None:
        while not stop.is_set():
            traffic.step()

    sender = threading.Thread(target=send)
    if is_busy:
        sender.start()
    found: list[float] = []
    try:
        for number in range(count):
            decision = traffic.router.route(traffic.contexts[number % len(traffic.contexts)])
            began = time.perf_counter()
            decision.wait(60)
            found.append(time.perf_counter() - began)
    finally:
        stop.set()
        if is_busy:
            sender.join()
    return found


def lags(traffic: Traffic | None, settings: Mapping[str, Any]) -> list[float]:
    """Return how late a periodic task of an event loop ran [s], beside the traffic or alone."""

    async def beat(end: float) -> list[float]:
        found: list[float] = []
        due = time.perf_counter() + settings["beat_s"]
        while due < end:
            await asyncio.sleep(max(due - time.perf_counter(), 0.0))
            found.append(max(time.perf_counter() - due, 0.0))
            due = max(due + settings["beat_s"], time.perf_counter())
        return found

    async def send(end: float) -> None:
        due = time.perf_counter()
        while due < end and traffic is not None:
            await asyncio.sleep(max(due - time.perf_counter(), 0.0))
            traffic.step()
            due += 1.0 / settings["per_second"]

    async def both() -> list[float]:
        end = time.perf_counter() + settings["loop_seconds"]
        found, _ = await asyncio.gather(beat(end), send(end))
        return found

    gc.collect()
    return asyncio.run(both())
