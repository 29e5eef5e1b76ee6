"""One run of the real Router over a recorded workload, with controllers, late reports and perhaps a restart."""

import math
import struct
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from banditroute import Arm, Decision, Objective, Router
from banditroute.controllers import Controller
from banditroute.core.arrays import FloatArray, IntArray
from banditroute.evaluation import Workload

START_S = 1_700_000_000.0
SECRET = bytes(32)
X_MAX = 4.0

MakeControllers = Callable[[], Sequence[Controller]]


@cache
def workload(directory: Path, name: str, arms: tuple[str, ...] = ()) -> Workload:
    """Read a recorded workload, with the named arms only if any are named."""
    folder = directory / name
    metrics = ["quality", "cost_usd", *(["latency_s"] if name.startswith("bfcl") else [])]
    whole = Workload.read(folder / f"{name}.parquet", features=folder / f"{name}.pca32.npy", metrics=metrics)
    if not arms:
        return whole
    places = [whole.arms.index(arm) for arm in arms]
    outcomes = {metric: cells[:, places] for metric, cells in whole.outcomes.items()}
    return Workload(arms, whole.features, outcomes, whole.query_ids, name)


@dataclass(slots=True)
class Bodies:
    """Counts the ids of one run."""

    seed: int
    issued: int = 0

    def __call__(self) -> bytes:
        """The next body."""
        self.issued += 1
        return struct.pack(">qQ", self.seed, self.issued)


@dataclass(slots=True)
class Clock:
    """A second a request."""

    now: float = START_S

    def __call__(self) -> float:
        """Now."""
        return self.now


@dataclass(slots=True, eq=False)
class Life:
    """Results of a run.

    Attributes:
        workload: In the order in which it came.
        chosen: Place of the arm, shape (requests,).
        probabilities: Shape (requests, arms).
        decisions: All of them.
        controllers: As they were at the end.
        digest: Of what was learned.
    """

    workload: Workload
    chosen: IntArray
    probabilities: FloatArray = field(repr=False)
    decisions: list[Decision] = field(repr=False)
    controllers: Sequence[Controller] = field(repr=False)
    digest: str

    def outcome(self, metric: str) -> FloatArray:
        """Return a metric of every request; shape (requests,)."""
        values: FloatArray = self.workload.outcomes[metric][np.arange(len(self.chosen)), self.chosen]
        return values


def live(
    recorded: Workload,
    seed: int,
    make: MakeControllers,
    objectives: Sequence[Objective],
    *,
    delay: int = 0,
    cohorts: Sequence[str] = (),
    restart_at: int | None = None,
) -> Life:
    """Route all requests once, in the order of the seed, with one restart if ``restart_at`` is given."""
    order = np.random.default_rng(seed).permutation(len(recorded))
    stream = recorded.take(order)
    clock, bodies, controllers = Clock(), Bodies(seed), make()
    with tempfile.TemporaryDirectory() as folder:
        url = None if restart_at is None else f"sqlite:///{Path(folder) / 'run.db'}"

        def opened() -> Router:
            return Router(
                "targets",
                arms=[Arm(name) for name in stream.arms],
                objectives=objectives,
                preferences={"quality": 1.0},
                controllers=controllers,
                features=stream.dimension,
                x_max=X_MAX,
                seed=seed,
                secret=SECRET,
                store=url,
                clock=clock,
                ids=bodies,
            )

        router = opened()
        decisions: list[Decision] = []
        places = {arm: i for i, arm in enumerate(stream.arms)}
        for step in range(len(stream) + delay):
            if step == restart_at:
                router.close()
                controllers = make()
                router = opened()
            clock.now += 1.0
            if step < len(stream):
                cohort = cohorts[order[step]] if cohorts else None
                decisions.append(router.route(stream.features[step], cohort=cohort))
            if (answered := step - delay) >= 0:
                decision = decisions[answered]
                place = places[decision.arm]
                told: dict[str, Any] = {
                    each.name: float(stream.outcomes[each.name][answered, place]) for each in objectives
                }
                if not any(math.isnan(value) for value in told.values()):
                    router.feedback(decision.id, **told)
        if router.health().faults:
            raise RuntimeError(f"the router failed: {router.health()}")
        digest = router.digest()
        router.close()
    return Life(
        stream,
        np.array([places[decision.arm] for decision in decisions]),
        np.array([list(decision.probabilities.values()) for decision in decisions]),
        decisions,
        controllers,
        digest,
    )
