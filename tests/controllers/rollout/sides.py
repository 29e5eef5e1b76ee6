"""Requests with an incumbent that yields less than the router."""

from typing import Any

import numpy as np

from tests.controllers.lives import Life, a_situation


def mostly_a(given: Any) -> Any:
    """0.75 on a, the rest on b."""
    return np.array([0.75, 0.25, *[0.0] * (len(given.arms) - 2)])


def lifted(controller: Any, *, requests: int = 1500, seed: int = 0, late: int = 7) -> Life:
    """The router's a yields .7, the incumbent's c .4."""
    rng = np.random.default_rng([seed, 1])
    life = Life(controller, mostly_a, seed=seed)
    chances = {"a": 0.7, "b": 0.7, "c": 0.4}
    waiting = []
    for number in range(requests):
        waiting.append(life.step(a_situation("abc", session=f"talk {number // 3}")))
        if len(waiting) > late:
            record = waiting.pop(0)
            life.report(record, quality=float(rng.random() < chances[record.arm]))
    return life
