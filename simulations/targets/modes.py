"""Holdouts and apprentices."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from banditroute.controllers import Apprentice, Controller, Holdout
from simulations.markdown import table
from simulations.targets.measures import CONFIG, QUALITY, Over
from simulations.targets.world import Life, live, workload


def one_holdout(directory: Path, seed: int) -> tuple[float, float, float, float]:
    """The reported lift (mean, low, high), and the true lift of the same requests."""
    case = CONFIG["holdout"]
    life = live(workload(directory, "bfcl_prompt25"), seed, partial(a_holdout, case), [QUALITY])
    (holdout,) = life.controllers
    assert isinstance(holdout, Holdout)
    lift = holdout.lift()["quality"]
    return lift.mean, lift.low, lift.high, true_lift(life)


def a_holdout(case: dict[str, Any]) -> list[Controller]:
    """The holdout of a case."""
    return [Holdout(case["share"], incumbent=case["incumbent"])]


def true_lift(life: Life) -> float:
    """Average over requests of Σ_a (p_a − h_a) · quality of a, p and h the choices of router and incumbent."""
    total = 0.0
    for row, decision in zip(life.workload.outcomes["quality"], life.decisions, strict=True):
        facts = decision.effects["holdout"]
        for i, arm in enumerate(life.workload.arms):
            total += (facts["policy"].get(arm, 0.0) - facts["incumbent"].get(arm, 0.0)) * row[i]
    return total / len(life.decisions)


def one_apprentice(directory: Path, incumbent: str, seed: int) -> float:
    """Return the number of requests until the promotion; infinite without one."""
    make = partial(an_apprentice, CONFIG["apprentice"]["share"], incumbent)
    life = live(workload(directory, "bfcl_prompt25"), seed, make, [QUALITY])
    promoted = [i for i, each in enumerate(life.decisions) if each.effects["apprentice"]["promoted"]]
    return float(promoted[0]) if promoted else float("inf")


def an_apprentice(share: float, incumbent: str) -> list[Controller]:
    """Return an apprentice of this incumbent."""
    return [Apprentice(incumbent, share=share)]


def modes(directory: Path, over: Over) -> list[str]:
    """Does the lift's interval hold, and how long is an apprenticeship?"""
    found = np.array(over("holdout", partial(one_holdout, directory)))
    inside = ((found[:, 1] <= found[:, 3]) & (found[:, 3] <= found[:, 2])).sum()
    true, said, low, high = found[:, 3].mean(), found[:, 0].mean(), found[:, 1].mean(), found[:, 2].mean()
    case, learner = CONFIG["holdout"], CONFIG["apprentice"]
    rows = []
    for incumbent in learner["incumbents"]:
        promoted = np.array(over(f"apprentice of {incumbent}", partial(one_apprentice, directory, incumbent)))
        done = promoted[np.isfinite(promoted)]
        when = f"{np.median(done):,.0f}" if done.size else ""
        rows.append([incumbent, f"{done.size} of {len(promoted)}", when])
    return [
        "## Modes",
        "",
        f"`bfcl_prompt25`. A holdout of {case['share']:.0%} for {case['incumbent']}: true lift {true:+.3f},",
        f"reported {said:+.3f}, mean interval [{low:+.3f}, {high:+.3f}]; it holds the truth in {inside} of",
        f"{len(found)} seeds (95 % at all times at once are asked for).",
        "",
        f"An apprentice with {learner['share']:.0%} of the traffic; the last incumbent is the best arm of all, of",
        "which the router cannot show that it does better:",
        *table(["incumbent", "promoted", "after [requests], median"], rows),
    ]
