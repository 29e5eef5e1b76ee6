"""An outage of one arm: number of failed calls, and time until the arm serves again."""

from dataclasses import dataclass

from banditroute import LinUCB, Objective
from banditroute.controllers import CircuitBreaker
from banditroute.evaluation import Workload
from simulations.adaptation.drive import COST, QUALITY, Drive, stream

START = 300
AFTER = 400
AVAILABLE = Objective("available", bounds=(0, 1))


@dataclass(frozen=True, slots=True)
class Outage:
    """Results of one run.

    Attributes:
        failed: Users' requests that met the arm while it was down.
        pings: Pings that did.
        back: Requests from its recovery until it served a user's request again.
    """

    failed: int
    pings: int
    back: float


def outage(length: int, seed: int, *, ping_every: int | None, breaker: bool = True, arm: int = 1) -> Outage:
    """Run one request per second; the most used arm is down for ``length`` requests."""
    workload = stream(Workload.bundled(), START + length + AFTER, seed)
    name, health = workload.arms[arm], CircuitBreaker()
    settings = {"policy": LinUCB(), "controllers": [health] if breaker else []}
    objectives, preferences = [QUALITY, COST, AVAILABLE], {"quality": 1.0, "cost_usd": 0.3}
    drive = Drive(workload.arms, objectives, preferences, settings, seed)
    quality, cost = workload.outcomes["quality"], workload.outcomes["cost_usd"]
    failed = pings = 0
    with drive.open() as router:
        for t, x in enumerate(workload.features):
            drive.clock.now_s += 1.0
            down = START <= t < START + length
            if ping_every is not None and t % ping_every == 0 and name in health.open:
                router.feedback(router.route(x, allowed=[name]).id, available=float(not down))
                pings += down
            decision = router.route(x)
            served = workload.arms.index(decision.arm)
            if served == arm and down:
                failed += 1
                router.feedback(decision.id, available=0.0)
                continue
            if served == arm and t >= START + length:
                return Outage(failed, pings, t - START - length)
            router.feedback(decision.id, available=1.0, quality=quality[t, served], cost_usd=cost[t, served])
    return Outage(failed, pings, float("inf"))
