"""Measures the time that a cache controller adds to ``Router.route``."""

import time
from statistics import median

import numpy as np

from banditroute import Arm, Router
from banditroute.controllers import Adapter, EpochCache

ARMS, DIMENSION, BLOCKS, CALLS = 15, 32, 15, 200


def route_ratio() -> str:
    """One sentence: median of ``route`` with the controller over without, in alternating blocks."""
    names = [f"adapter-{i}" for i in range(ARMS)]
    arms = [Arm(name) for name in names]
    cache = EpochCache({name: Adapter(load_s=1.0) for name in names}, capacity=5, utility_per_second=0.2)
    routers = {
        "with": Router("with", arms=arms, controllers=[cache]),
        "without": Router("without", arms=arms),
    }
    X = np.random.default_rng(0).normal(scale=0.2, size=(CALLS, DIMENSION)).clip(-4, 4)
    times: dict[str, list[float]] = {name: [] for name in routers}
    for _ in range(BLOCKS):
        for name, router in routers.items():
            samples = []
            for x in X:
                start = time.perf_counter()
                decision = router.route(x)
                samples.append(time.perf_counter() - start)
                router.feedback(decision.id, quality=0.5)
            times[name].append(median(samples))
    # The quietest block of each: a neighbour on the machine cannot make it smaller.
    fast = {name: min(blocks) * 1e6 for name, blocks in times.items()}
    return (
        f"`Router.route` at N = {ARMS}, d = {DIMENSION}: {fast['with']:.0f} µs with the controller, "
        f"{fast['without']:.0f} µs without, ratio {fast['with'] / fast['without']:.2f}."
    )
