"""A fourth model joins: time to adoption if it is better, and cost if it is not."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from banditroute import Arm, LinUCB
from banditroute.controllers import Onboarding
from banditroute.evaluation import Workload
from simulations.adaptation.drive import COST, QUALITY, Drive, stream

JOINS = 400
WINDOW = 50


@dataclass(frozen=True, slots=True)
class Arrival:
    """Results of one run.

    Attributes:
        adopted: Requests until it served 10 % of 50 in a row; infinite if it never did.
        pulls: How often it was chosen within 800 requests, beyond its share of the floor.
        ruled_out: Whether the confidence sequence ended its burn-in.
    """

    adopted: float
    pulls: float
    ruled_out: bool


def arrival(
    directory: Path, newcomer: str, seed: int, *, scale: float, requests: int, cost_weight: float
) -> Arrival:
    """Run a stream that ``newcomer`` joins after 400 requests, with ``scale`` times its recorded quality."""
    name = "paretobandit4"
    pca = directory / name / f"{name}.pca32.npy"
    workload = Workload.read(directory / name / f"{name}.parquet", features=pca, metrics=["quality", "cost_usd"])
    workload = stream(workload, requests, seed)
    arms = [arm for arm in workload.arms if arm != newcomer]
    onboarding = Onboarding()
    policy = LinUCB()
    settings = {"policy": policy, "controllers": [onboarding]}
    drive = Drive(arms, [QUALITY, COST], {"quality": 1.0, "cost_usd": cost_weight}, settings, seed)
    quality, cost = workload.outcomes["quality"], workload.outcomes["cost_usd"]
    chosen = np.zeros(requests)
    with drive.open() as router:
        for t, x in enumerate(workload.features):
            drive.clock.now_s += 1.0
            if t == JOINS:
                router.add_arm(Arm(newcomer))
            decision = router.route(x)
            served = workload.arms.index(decision.arm)
            chosen[t] = decision.arm == newcomer
            factor = scale if chosen[t] else 1.0
            router.feedback(decision.id, quality=factor * quality[t, served], cost_usd=cost[t, served])
    shares = np.convolve(chosen[JOINS:], np.ones(WINDOW) / WINDOW, mode="valid")
    reached = np.flatnonzero(shares >= 0.1)
    floor = policy.exploration.floor / len(workload.arms) * (requests - JOINS)
    adopted = float(reached[0] + WINDOW) if len(reached) else float("inf")
    return Arrival(adopted, float(chosen.sum() - floor), bool(onboarding.report()[newcomer]["ruled_out"]))
