"""Least and largest shares of the traffic."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from banditroute.controllers import Controller, Shares
from simulations.markdown import table
from simulations.targets.measures import (
    AFTER,
    CONFIG,
    QUALITY,
    VIOLATIONS,
    Over,
    beyond,
    no_controllers,
    violations,
)
from simulations.targets.world import live, workload


def one_shares(directory: Path, kept: bool, seed: int) -> tuple[Any, ...]:
    """Arm → violations, and quality."""
    life = live(workload(directory, "zeroeval28"), seed, _shares if kept else no_controllers, [QUALITY])
    found = {}
    for arm, share in CONFIG["shares"]["min"].items():
        served = (life.chosen == life.workload.arms.index(arm)).astype(np.float64)
        found[arm] = beyond(-served, -share)
    for arm, share in CONFIG["shares"]["max"].items():
        served = (life.chosen == life.workload.arms.index(arm)).astype(np.float64)
        found[arm] = beyond(served, share)
    forced = [each.effects["shares"]["forced"] for each in life.decisions] if kept else [0.0]
    return found, life.outcome("quality")[AFTER:].mean(), np.mean(forced)


def _shares() -> list[Controller]:
    return [Shares(min=CONFIG["shares"]["min"], max=CONFIG["shares"]["max"])]


def shares(directory: Path, over: Over) -> list[str]:
    """Least and largest shares."""
    found = over("shares", partial(one_shares, directory, True))
    free = over("without shares", partial(one_shares, directory, False))
    rows = []
    for bound, arms in CONFIG["shares"].items():
        for arm, share in arms.items():
            without = np.mean([each[0][arm][0] for each in free])
            rows.append([f"{bound} {share:.0%} {arm}", *violations([e[0][arm] for e in found]), f"{without:+.1f}"])
    quality, free_quality = (np.mean([each[1] for each in runs]) for runs in (found, free))
    forced = np.mean([each[2] for each in found])
    return [
        "## Shares",
        "",
        "`zeroeval28`. Beyond it means below a least share, above a largest one.",
        *table(["share", *VIOLATIONS, "without the controller"], rows),
        f"Quality from {AFTER + 1:,} on {quality:.3f}, without shares {free_quality:.3f}. Forced was {forced:.2%}",
        "of the probability; the rest was done by prices.",
        "",
    ]
