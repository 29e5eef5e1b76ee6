"""A router with a simulated clock and deterministic ids."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from banditroute import Arm, Objective, Price, Router
from banditroute.core.arrays import FloatArray
from banditroute.evaluation import Workload

COST_BOUND_USD = 0.05
QUALITY = Objective("quality", bounds=(0, 1))
COST = Objective("cost_usd", goal="min", bounds=(0, COST_BOUND_USD))


@dataclass
class Clock:
    """A clock that the study sets."""

    now_s: float = 1_700_000_000.0

    def __call__(self) -> float:
        """Return the time [s since the epoch]."""
        return self.now_s


@dataclass
class Drive:
    """Settings of a router, and the clock and ids that go on when it is opened again."""

    arms: Sequence[str]
    objectives: Sequence[Objective]
    preferences: dict[str, float]
    settings: dict[str, Any]
    seed: int = 0
    prices: Mapping[str, Price] = field(default_factory=dict)
    clock: Clock = field(default_factory=Clock)
    decided: int = 0

    def open(self, store: str | None = None, **changes: Any) -> Router:
        """Open a router, which continues the log in ``store`` if there is one."""
        return Router(
            "study",
            arms=[Arm(name, price=self.prices.get(name)) for name in self.arms],
            objectives=self.objectives,
            preferences=self.preferences,
            store=store,
            clock=self.clock,
            ids=self._body,
            seed=self.seed,
            secret=bytes(32),
            **{**self.settings, **changes},
        )

    def _body(self) -> bytes:
        self.decided += 1
        return (self.decided + (self.seed << 40)).to_bytes(16, "big")


def stream(workload: Workload, requests: int, seed: int) -> Workload:
    """Return this number of requests: the workload, repeated in new orders."""
    orders = (np.random.default_rng([seed, turn]).permutation(len(workload)) for turn in itertools.count())
    rows = np.concatenate(list(itertools.islice(orders, -(-requests // len(workload)))))[:requests]
    return Workload(
        arms=workload.arms,
        features=workload.features[rows],
        outcomes={metric: cells[rows] for metric, cells in workload.outcomes.items()},
        name=workload.name,
    )


def pass_fail(workload: Workload, seed: int) -> Workload:
    """Return the same requests, answered right or wrong, with the recorded quality as the probability of right."""
    quality = workload.outcomes["quality"]
    right = np.random.default_rng([7, seed]).random(quality.shape) < quality
    outcomes = {**workload.outcomes, "quality": right.astype(np.float64)}
    return Workload(arms=workload.arms, features=workload.features, outcomes=outcomes, name="pass/fail")


def dropped(quality: FloatArray, arm: int, drop: float, *, binary: bool, seed: int) -> FloatArray:
    """Return the quality after one arm lost ``drop`` on average: subtracted, or right answers turned wrong."""
    worse = quality.copy()
    if binary:
        keep = 1 - drop / quality[:, arm].mean()
        worse[:, arm] *= np.random.default_rng([8, seed]).random(len(quality)) < keep
        return worse
    take = drop
    for _ in range(20):  # until what is cut off at 0 is made up for
        worse[:, arm] = np.maximum(quality[:, arm] - take, 0)
        take += drop - (quality[:, arm] - worse[:, arm]).mean()
    return worse
