"""Delay of drift detection, and rate of false alarms."""

from dataclasses import dataclass

import numpy as np

from banditroute import Uniform
from banditroute.controllers import Drift
from banditroute.evaluation import Workload
from simulations.adaptation.drive import COST, QUALITY, Drive, dropped, pass_fail, stream


@dataclass(frozen=True, slots=True)
class Found:
    """Results of one stream: false alarms and plays; after a drop, plays until it was detected."""

    alarms: int
    plays: int
    delay: float


def alarms_of(kind: str, requests: int, seed: int, *, drop_of: int | None = None, drop: float = 0.15) -> Found:
    """Route a stationary stream uniformly; the quality of one arm may drop in the middle."""
    workload = stream(Workload.bundled(), requests, seed)
    if kind == "pass/fail":
        workload = pass_fail(workload, seed)
    quality, cost = workload.outcomes["quality"], workload.outcomes["cost_usd"]
    middle = requests // 2
    if drop_of is not None:
        after = dropped(quality[middle:], drop_of, drop, binary=kind == "pass/fail", seed=seed)
        quality = np.concatenate([quality[:middle], after])
    drift = Drift()
    settings = {"policy": Uniform(), "controllers": [drift]}
    drive = Drive(workload.arms, [QUALITY, COST], {"quality": 1.0}, settings, seed)
    plays, false, since = 0, 0, 0
    with drive.open() as router:
        for t, x in enumerate(workload.features):
            drive.clock.now_s += 1.0
            decision = router.route(x)
            arm = workload.arms.index(decision.arm)
            before = drift.report()["alarms"]
            router.feedback(decision.id, quality=quality[t, arm], cost_usd=cost[t, arm])
            plays += 1
            since += t >= middle and arm == drop_of
            if drift.report()["alarms"] > before:
                last = drift.report()["last"][-1]
                if drop_of is not None and t >= middle and last["arm"] == workload.arms[drop_of]:
                    return Found(false, plays, since)
                false += 1
    return Found(false, plays, np.inf if drop_of is not None else np.nan)
