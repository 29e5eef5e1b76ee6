"""Quality floors with a baseline whose quality is not known."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from banditroute.controllers import Controller, QualityFloor
from simulations.markdown import table
from simulations.targets.measures import AFTER, CONFIG, QUALITY, Over
from simulations.targets.world import live, workload


def one_floor(directory: Path, case: dict[str, Any], seed: int) -> tuple[float, float, float, float, float]:
    """Least ratio later, least surplus ever, what others served in the end, quality, the baseline's."""
    recorded = workload(directory, case["workload"], tuple(case["arms"]))
    life = live(recorded, seed, partial(quality_floor, case), [QUALITY])
    place = life.workload.arms.index(case["baseline"])
    served, baseline = life.outcome("quality"), life.workload.outcomes["quality"][:, place]
    ratio = np.cumsum(served) / np.maximum(np.cumsum(baseline), 1e-9)
    surplus = np.cumsum(served) - case["at_least"] * np.cumsum(baseline)
    others = (life.chosen != place)[AFTER:].mean()
    return ratio[AFTER - 1 :].min(), surplus.min(), others, served.mean(), baseline.mean()


def quality_floor(case: dict[str, Any]) -> list[Controller]:
    """The floor of a case."""
    return [QualityFloor(case["baseline"], at_least=case["at_least"])]


def floor(directory: Path, over: Over) -> list[str]:
    """Quality floors with a baseline whose quality is not known."""
    rows = []
    for case in CONFIG["floor"]:
        arms = len(case["arms"]) or "all"
        what = f"{case['workload']}, {arms} arms, ≥ {case['at_least']:.0%} of {case['baseline']}"
        found = np.array(over(what, partial(one_floor, directory, case)))
        rows.append(
            [
                what,
                f"{found[:, 0].min():.3f}",
                f"{found[:, 1].min():+.2f}",
                f"{(found[:, 1] < 0).sum()} of {len(found)}",
                f"{found[:, 2].mean():.0%}",
                f"{found[:, 3].mean():.4f}",
                f"{found[:, 4].mean():.4f}",
            ]
        )
    return [
        "## Quality floor",
        "",
        "Confidence 95 %. Against what the baseline really would have yielded on the same requests: the surplus",
        "is Σ served − share · Σ baseline; a floor is broken where it is below 0 after any request.",
        *table(
            [
                "floor",
                f"least ratio from {AFTER:,} on",
                "least surplus at any time",
                "seeds in which it was broken",
                f"served by others from {AFTER + 1:,} on",
                "quality",
                "the baseline's",
            ],
            rows,
        ),
    ]
