"""Latency targets on measured latencies, and a target on another objective."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from banditroute.controllers import Controller, Latency, Within
from banditroute.controllers.targets.target import SLACK
from simulations.markdown import table
from simulations.targets.measures import (
    AFTER,
    CONFIG,
    COST,
    LATENCY,
    QUALITY,
    VIOLATIONS,
    Over,
    best_mixture,
    beyond,
    no_controllers,
    violations,
)
from simulations.targets.world import Life, live, workload


def one_latency(directory: Path, case: dict[str, Any], seed: int) -> tuple[Any, ...]:
    """Violations and quality with a latency target."""
    life = live(
        workload(directory, "bfcl_prompt25"),
        seed,
        partial(latency_target, case),
        [QUALITY, LATENCY],
        delay=case["delay"],
    )
    return _judged(life, case)


def free_latency(directory: Path, seed: int) -> list[tuple[Any, ...]]:
    """The same for every case, of one run without a target."""
    life = live(workload(directory, "bfcl_prompt25"), seed, no_controllers, [QUALITY, LATENCY])
    return [_judged(life, case) for case in CONFIG["latency"]]


def _judged(life: Life, case: dict[str, Any]) -> tuple[Any, ...]:
    broken = (life.outcome("latency_s") > case["seconds"]).astype(np.float64)
    quality = life.outcome("quality")
    return beyond(broken, 1 - case["p"]), quality.mean(), quality[AFTER:].mean()


def latency_target(case: dict[str, Any]) -> list[Controller]:
    """The target of a case."""
    return [Latency(p=case["p"], seconds=case["seconds"], slack=case.get("slack", SLACK))]


def latency(directory: Path, over: Over) -> list[str]:
    """Latency targets on measured latencies."""
    rows = []
    recorded = workload(directory, "bfcl_prompt25")
    free = over("without a target", partial(free_latency, directory))
    for i, case in enumerate(CONFIG["latency"]):
        late = f", outcomes {case['delay']} requests late" if case["delay"] else ""
        slack = f", slack {case['slack']:g}" if "slack" in case else ""
        what = f"p = {case['p']}, {case['seconds']:g} s{late}{slack}"
        bad = recorded.outcomes["latency_s"] > case["seconds"]
        mixture = best_mixture(recorded.outcomes["quality"], bad, 1 - case["p"])
        found = over(what, partial(one_latency, directory, case))
        without = np.mean([each[i][0][0] for each in free])
        whole, rest = (np.mean([each[k] for each in found]) for k in (1, 2))
        rows.append(
            [
                what,
                *violations([e[0] for e in found]),
                f"{without:+.1f}",
                f"{whole:.3f}",
                f"{rest:.3f}",
                f"{mixture:.3f}",
            ]
        )
    unbound, later = (np.mean([each[0][k] for each in free]) for k in (1, 2))
    return [
        "## Latency",
        "",
        f"`bfcl_prompt25`: {len(recorded):,} requests, {len(recorded.arms)} arms, latencies as measured.",
        "The best static mixture knows all outcomes, and never has to try an arm.",
        f"Without a target the quality is {unbound:.3f}, from {AFTER + 1:,} on {later:.3f}.",
        *table(
            [
                "target",
                *VIOLATIONS,
                f"without a target, after {AFTER:,}",
                "quality",
                f"from {AFTER + 1:,} on",
                "best static mixture",
            ],
            rows,
        ),
    ]


def one_within(directory: Path, seed: int) -> tuple[Any, ...]:
    """Violations and quality with a target on an indicator that is no latency."""
    case = CONFIG["within"]
    life = live(workload(directory, "zeroeval28"), seed, partial(_within, case), [QUALITY, COST])
    broken = (life.outcome(case["objective"]) > case["at_most"]).astype(np.float64)
    return beyond(broken, 1 - case["share"]), life.outcome("quality")[AFTER:].mean()


def _within(case: dict[str, Any]) -> list[Controller]:
    return [Within(case["objective"], at_most=case["at_most"], share=case["share"])]


def within(directory: Path, over: Over) -> list[str]:
    """An indicator of another objective."""
    case = CONFIG["within"]
    recorded = workload(directory, "zeroeval28")
    bad = recorded.outcomes[case["objective"]] > case["at_most"]
    mixture = best_mixture(recorded.outcomes["quality"], bad, 1 - case["share"])
    found = over("within", partial(one_within, directory))
    what = f"{case['objective']} ≤ {case['at_most']} in {case['share']:.0%}"
    quality = f"{np.mean([each[1] for each in found]):.3f}"
    head = ["target", *VIOLATIONS, f"quality from {AFTER + 1:,} on", "best static mixture"]
    return [
        "## Any indicator",
        "",
        f"`zeroeval28`: {len(recorded):,} requests, {len(recorded.arms)} arms.",
        *table(head, [[what, *violations([each[0] for each in found]), quality, f"{mixture:.3f}"]]),
    ]
