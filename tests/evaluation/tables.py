"""Small workloads whose results can be checked by hand."""

import numpy as np

from banditroute.evaluation import Workload

PREFERENCES = {"quality": 1.0, "cost_usd": 0.5}


def small_workload(requests: int = 40, *, seed: int = 3) -> Workload:
    """Build a workload of three arms whose quality depends on two features."""
    generator = np.random.default_rng(seed)
    features = generator.uniform(-1, 1, (requests, 2))
    quality = np.clip(0.5 + 0.3 * features @ np.array([[1, 0, -1], [0, 1, 1]]) + np.array([0, 0.1, 0.2]), 0, 1)
    cost = generator.gamma(2.0, 1.0, (requests, 3)) * np.array([1e-4, 1e-3, 4e-3])
    return Workload(
        arms=("small", "middle", "large"), features=features, outcomes={"quality": quality, "cost_usd": cost}
    )
