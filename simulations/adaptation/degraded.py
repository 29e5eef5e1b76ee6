"""An arm whose quality drops and recovers: the cost, and the time until it is detected."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from banditroute import LinUCB
from banditroute.controllers import Controller, Drift
from banditroute.core.arrays import FloatArray
from banditroute.evaluation import Workload
from simulations.adaptation.drive import COST, QUALITY, Drive, stream

WINDOW = 100


@dataclass(frozen=True, slots=True)
class Phases:
    """Quality and the share of the degraded arm, request by request, and the alarms of it.

    Attributes:
        quality: Of the arm that served; shape (requests,).
        chosen: Whether that was the degraded one; shape (requests,).
        alarms: Requests at which drift was found, of any arm.
    """

    quality: FloatArray
    chosen: FloatArray
    alarms: tuple[int, ...]

    def mean(self, values: FloatArray, phase: int) -> float:
        """Return the mean over the last half of a third: phase 0, 1 or 2."""
        third = len(values) // 3
        return float(values[phase * third + third // 2 : (phase + 1) * third].mean())

    def left_after(self) -> float:
        """Requests after the drop until the arm's share of the last 100 is below half of what it was."""
        return self._crossing(1, lambda share, before: share <= before / 2)

    def back_after(self) -> float:
        """Requests after the recovery until that share is at least half of what it was before the drop."""
        return self._crossing(2, lambda share, before: share >= before / 2)

    def _crossing(self, phase: int, passes: Callable[[float, float], bool]) -> float:
        third = len(self.chosen) // 3
        before = self.mean(self.chosen, 0)
        for t in range(phase * third + WINDOW, (phase + 1) * third):
            if passes(float(self.chosen[t - WINDOW : t].mean()), before):
                return float(t - phase * third)
        return float("inf")


def degraded(
    seed: int, *, drift: Drift | None, cost_weight: float, arm: int = 1, level: float = 0.75, requests: int = 3609
) -> Phases:
    """Route the bundled workload while ``arm`` has mean quality ``level`` in the middle third."""
    workload = stream(Workload.bundled(), requests, seed)
    quality, cost = workload.outcomes["quality"].copy(), workload.outcomes["cost_usd"]
    third = requests // 3
    quality[third : 2 * third, arm] *= level / quality[third : 2 * third, arm].mean()
    controllers: list[Controller] = [] if drift is None else [drift]
    settings = {"policy": LinUCB(), "controllers": controllers}
    drive = Drive(workload.arms, [QUALITY, COST], {"quality": 1.0, "cost_usd": cost_weight}, settings, seed)
    reached, chosen, alarms = np.zeros(requests), np.zeros(requests), []
    with drive.open() as router:
        for t, x in enumerate(workload.features):
            drive.clock.now_s += 1.0
            decision = router.route(x)
            served = workload.arms.index(decision.arm)
            before = 0 if drift is None else drift.report()["alarms"]
            router.feedback(decision.id, quality=quality[t, served], cost_usd=cost[t, served])
            if drift is not None and drift.report()["alarms"] > before:
                alarms.append(t)
            reached[t], chosen[t] = quality[t, served], served == arm
    return Phases(reached, chosen, tuple(alarms))
