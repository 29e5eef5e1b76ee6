"""C2: clocks that step, jump or differ, under a budget and a circuit breaker."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeAlias
from unittest import mock

import numpy as np

from banditroute import Arm, Objective, Router
from banditroute.controllers import Budget, CircuitBreaker
from banditroute.core.log_time import LogTime
from banditroute.testing.world import START, Clock
from simulations.reliability.harness.row import Finding, Tick

DAY = 86_400.0
USD_PER_S = 0.001

Skew: TypeAlias = Callable[[int], float]

SKEWS: Mapping[str, tuple[Skew, float]] = {
    "steps of 11 s": (lambda step: 11.0 * (step % 2), 11.0),
    "two workers 0.5 s apart": (lambda step: 0.5 * (step % 2), 0.5),
    "one request a day ahead": (lambda step: DAY * (step == 500), DAY),
    "a day back": (lambda step: -DAY * (step >= 500), 0.0),
}
"""Name → difference of the clock at each second [s], and the largest one ahead [s]."""


@dataclass(frozen=True, slots=True)
class Skews:
    """So many seconds with a request in each, for each kind of clock."""

    id: ClassVar[str] = "C2"
    does: ClassVar[str] = "clocks that step by 11 s, jump by a day, or differ, under a daily budget and a breaker"
    asks: ClassVar[str] = "spent ≤ 1.1 × the income of the time and the skew; a failed arm is tried within 330 s"
    control: ClassVar[str] = "income for each step forward of the clock"

    seconds: int = 3_000

    def measure(self, place: Path, tick: Tick) -> Finding:  # noqa: ARG002  (memory is enough)
        """Measure each clock, and the control with steps of 11 s."""
        worst = 0.0
        for done, (skew, ahead) in enumerate(SKEWS.values(), 1):
            worst = max(worst, self._spent(skew) / (USD_PER_S * (self.seconds + ahead)))
            tick(done, len(SKEWS) + 1)
        tried = _tried_after()
        with mock.patch.object(LogTime, "advance", _forward_steps):
            control = self._spent(SKEWS["steps of 11 s"][0]) / (USD_PER_S * (self.seconds + 11.0))
        measured = {"clocks": len(SKEWS), "× the allowed dollars, at most": worst, "s until it is tried": tried}
        return Finding(measured, worst <= 1.1 and tried <= 330, {"× the allowed dollars": control}, control > 1.1)

    def _spent(self, skew: Skew) -> float:
        rng, clock, budget = np.random.default_rng(0), Clock(), Budget(usd_per_day=DAY * USD_PER_S)
        router = Router(
            "r",
            arms=[Arm("cheap"), Arm("costly")],
            objectives=[Objective("quality"), Objective("cost_usd", goal="min", bounds=(0, 0.05))],
            preferences={"quality": 1.0},
            controllers=[budget],
            seed=1,
            clock=clock,
        )
        for step in range(self.seconds):
            clock.now = START + step + skew(step)
            decision = router.route([rng.random()])
            quality, usd = (0.9, 0.01) if decision.arm == "costly" else (0.5, 0.0002)
            router.feedback(decision.id, quality=quality, cost_usd=usd)
        return budget.spent["cost_usd"]


def _tried_after() -> float:
    """Return the time until an arm that failed under a clock a day ahead is tried again [s]."""
    clock = Clock(START + DAY)
    router = Router(
        "r",
        arms=[Arm("a"), Arm("b")],
        objectives=[Objective("quality"), Objective("available")],
        controllers=[CircuitBreaker()],
        seed=1,
        clock=clock,
    )
    for _ in range(3):
        router.feedback(router.route([0.5], allowed=["a"]).id, available=0)
    for second in range(1, 2_000):
        clock.now = START + second
        decision = router.route([0.5])
        router.feedback(decision.id, available=1, quality=0.9 if decision.arm == "a" else 0.2)
        if decision.arm == "a":
            return float(second)
    return float("inf")


def _forward_steps(time: LogTime, time_us: int) -> int:
    """Add each step forward of the clock, as before there was a time of the log."""
    last = time.behind_us or time_us
    time.elapsed_us = (time.elapsed_us or time_us) + max(time_us - last, 0)
    time.behind_us = time_us
    return time.elapsed_us
