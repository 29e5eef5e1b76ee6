"""One target for all traffic, and for each cohort by itself."""

from functools import partial
from pathlib import Path

import numpy as np

from banditroute.controllers import Controller, Latency, PerCohort
from simulations.markdown import table
from simulations.targets.measures import CONFIG, LATENCY, QUALITY, Over
from simulations.targets.world import live, workload


def one_cohorts(directory: Path, per_cohort: bool, seed: int) -> dict[str, float]:
    """Cohort → by how much its share of late answers is exceeded [pp]."""
    recorded = workload(directory, "bfcl_prompt25")
    cohorts = cohorts_of(directory)
    make = partial(cohort_target, per_cohort)
    life = live(recorded, seed, make, [QUALITY, LATENCY], cohorts=cohorts)
    broken = life.outcome("latency_s") > CONFIG["cohorts"]["seconds"]
    lived = np.array([cohorts[recorded.query_ids.index(each)] for each in life.workload.query_ids])
    allowed = 1 - CONFIG["cohorts"]["p"]
    return {name: 100 * float(broken[lived == name].mean() - allowed) for name in sorted(set(cohorts))}


def cohorts_of(directory: Path) -> list[str]:
    """Of each request: whether it asks for one call, or for several."""
    with np.load(directory / "bfcl_prompt25" / "bfcl_prompt25.npz") as file:
        return ["several calls" if "parallel" in task else "one call" for task in file["task"].tolist()]


def target() -> Controller:
    """The target of the study."""
    return Latency(p=CONFIG["cohorts"]["p"], seconds=CONFIG["cohorts"]["seconds"])


def cohort_target(per_cohort: bool) -> list[Controller]:
    """It, for each cohort by itself or for all."""
    return [PerCohort(target) if per_cohort else target()]


def fairness(directory: Path, over: Over) -> list[str]:
    """The same target for all traffic, and for each cohort by itself."""
    rows = []
    for per_cohort in (False, True):
        what = "per cohort" if per_cohort else "over all traffic"
        found = over(what, partial(one_cohorts, directory, per_cohort))
        names = list(found[0])
        rows.append(
            [
                what,
                *(f"{np.mean([f[n] for f in found]):+.2f} (worst {max(f[n] for f in found):+.2f})" for n in names),
            ]
        )
    cohorts = cohorts_of(directory)
    counts = [f"{name} ({cohorts.count(name):,} requests) [pp]" for name in sorted(set(cohorts))]
    case = CONFIG["cohorts"]
    return [
        "## Cohorts",
        "",
        f"`bfcl_prompt25`, p = {case['p']}, {case['seconds']:g} s: beyond the target, over the whole stream.",
        *table(["target", *counts], rows),
    ]
