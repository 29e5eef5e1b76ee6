"""The study of targets, floors and modes; writes ``RESULTS.md``. See the README beside."""

import argparse
import json
import tomllib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from banditroute import Objective
from banditroute.arrays import FloatArray
from banditroute.controllers import (
    Apprentice,
    Controller,
    Holdout,
    Latency,
    PerCohort,
    QualityFloor,
    Shares,
    Within,
)
from banditroute.controllers.targets.target import SLACK
from simulations.targets.world import Life, MakeControllers, live, workload

HERE = Path(__file__).parent
CONFIG: dict[str, Any] = tomllib.loads((HERE / "config.toml").read_text("utf-8"))
AFTER: int = CONFIG["judged_after"]
QUALITY = Objective("quality")
LATENCY = Objective("latency_s", goal="min", bounds=(0, 10))
COST = Objective("cost_usd", goal="min", bounds=(0, 0.05))

Over = Callable[[str, Callable[[int], Any]], list[Any]]
"""(what, function of a seed) → results of all seeds."""


def table(head: Iterable[object], rows: Iterable[Iterable[object]]) -> list[str]:
    """A table in Markdown."""
    cells = [*head]
    return [
        "",
        f"| {' | '.join(map(str, cells))} |",
        f"|{'---|' * len(cells)}",
        *(f"| {' | '.join(map(str, row))} |" for row in rows),
        "",
    ]


def beyond(broken: FloatArray, allowed: float) -> tuple[float, float, float]:
    """By how much a share is exceeded [pp]: after 1,000 requests, at its worst later, by the later ones alone."""
    share = np.cumsum(broken) / np.arange(1, len(broken) + 1)
    later = share[AFTER - 1 :].max()
    return (
        100 * float(share[AFTER - 1] - allowed),
        100 * float(later - allowed),
        100 * float(broken[AFTER:].mean() - allowed),
    )


def violations(found: Sequence[tuple[float, float, float]]) -> list[str]:
    """Means and worst seeds of what :func:`beyond` says."""
    array = np.array(found)
    return [
        f"{array[:, 0].mean():+.2f} (worst {array[:, 0].max():+.2f})",
        f"{array[:, 1].max():+.2f}",
        f"{array[:, 2].mean():+.2f} (worst {array[:, 2].max():+.2f})",
        f"{(array[:, 1] > CONFIG['allowed_pp']).sum()} of {len(array)}",
    ]


VIOLATIONS = (
    f"beyond it after {AFTER:,} [pp]",
    "at any time later, worst seed",
    f"requests from {AFTER + 1:,} on alone",
    f"seeds beyond {CONFIG['allowed_pp']:g} pp",
)


def no_controllers() -> list[Controller]:
    """None."""
    return []


def one_latency(directory: Path, case: dict[str, Any], seed: int) -> tuple[Any, ...]:
    """Violations and quality with a latency target."""
    life = live(
        workload(directory, "bfcl_prompt25"),
        seed,
        partial(_latency, case),
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


def _latency(case: dict[str, Any]) -> list[Controller]:
    return [Latency(p=case["p"], seconds=case["seconds"], slack=case.get("slack", SLACK))]


def best_mixture(quality: FloatArray, used: FloatArray, allowed: float) -> float:
    """Quality of the best static mixture of arms in hindsight that keeps a constraint on average."""
    from scipy.optimize import linprog

    arms = quality.shape[1]
    found = linprog(
        -quality.mean(axis=0),
        A_ub=[used.mean(axis=0)],
        b_ub=[allowed],
        A_eq=[np.ones(arms)],
        b_eq=[1.0],
    )
    assert found.fun is not None
    return -float(found.fun)


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


def one_cohorts(directory: Path, per_cohort: bool, seed: int) -> dict[str, float]:
    """Cohort → by how much its share of late answers is exceeded [pp]."""
    recorded = workload(directory, "bfcl_prompt25")
    cohorts = _cohorts(directory)
    make = partial(_cohort_target, per_cohort)
    life = live(recorded, seed, make, [QUALITY, LATENCY], cohorts=cohorts)
    broken = life.outcome("latency_s") > CONFIG["cohorts"]["seconds"]
    lived = np.array([cohorts[recorded.query_ids.index(each)] for each in life.workload.query_ids])
    allowed = 1 - CONFIG["cohorts"]["p"]
    return {name: 100 * float(broken[lived == name].mean() - allowed) for name in sorted(set(cohorts))}


def _cohorts(directory: Path) -> list[str]:
    with np.load(directory / "bfcl_prompt25" / "bfcl_prompt25.npz") as file:
        return ["several calls" if "parallel" in task else "one call" for task in file["task"].tolist()]


def _target() -> Controller:
    return Latency(p=CONFIG["cohorts"]["p"], seconds=CONFIG["cohorts"]["seconds"])


def _cohort_target(per_cohort: bool) -> list[Controller]:
    return [PerCohort(_target) if per_cohort else _target()]


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
    cohorts = _cohorts(directory)
    counts = [f"{name} ({cohorts.count(name):,} requests) [pp]" for name in sorted(set(cohorts))]
    case = CONFIG["cohorts"]
    return [
        "## Cohorts",
        "",
        f"`bfcl_prompt25`, p = {case['p']}, {case['seconds']:g} s: beyond the target, over the whole stream.",
        *table(["target", *counts], rows),
    ]


def one_floor(directory: Path, case: dict[str, Any], seed: int) -> tuple[float, float, float, float, float]:
    """Least ratio later, least surplus ever, what others served in the end, quality, the baseline's."""
    recorded = workload(directory, case["workload"], tuple(case["arms"]))
    life = live(recorded, seed, partial(_floor, case), [QUALITY])
    place = life.workload.arms.index(case["baseline"])
    served, baseline = life.outcome("quality"), life.workload.outcomes["quality"][:, place]
    ratio = np.cumsum(served) / np.maximum(np.cumsum(baseline), 1e-9)
    surplus = np.cumsum(served) - case["at_least"] * np.cumsum(baseline)
    others = (life.chosen != place)[AFTER:].mean()
    return ratio[AFTER - 1 :].min(), surplus.min(), others, served.mean(), baseline.mean()


def _floor(case: dict[str, Any]) -> list[Controller]:
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


def one_holdout(directory: Path, seed: int) -> tuple[float, float, float, float]:
    """What the report says (mean, low, high) and what is true of the same requests."""
    case = CONFIG["holdout"]
    life = live(workload(directory, "bfcl_prompt25"), seed, partial(_holdout, case), [QUALITY])
    (holdout,) = life.controllers
    assert isinstance(holdout, Holdout)
    lift = holdout.lift()["quality"]
    return lift.mean, lift.low, lift.high, true_lift(life)


def _holdout(case: dict[str, Any]) -> list[Controller]:
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
    """Requests until its promotion; infinite without one."""
    make = partial(_apprentice, CONFIG["apprentice"]["share"], incumbent)
    life = live(workload(directory, "bfcl_prompt25"), seed, make, [QUALITY])
    promoted = [i for i, each in enumerate(life.decisions) if each.effects["apprentice"]["promoted"]]
    return float(promoted[0]) if promoted else float("inf")


def _apprentice(share: float, incumbent: str) -> list[Controller]:
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


def everything() -> list[Controller]:
    """All of them around one another."""
    target, held = CONFIG["latency"][0], CONFIG["holdout"]
    return [
        Holdout(held["share"], incumbent=held["incumbent"]),
        Shares(min={"gpt-4o-2024-05-13": 0.1}, max={"claude-3-haiku-20240307": 0.3}),
        PerCohort(_target),
        Latency(p=target["p"], seconds=3.0, name="latency of all"),
        QualityFloor("gpt-4o-mini-2024-07-18", at_least=0.8),
    ]


def restarts(directory: Path) -> list[str]:
    """Stopped in the middle, everything goes on bit for bit."""
    recorded = workload(directory, "bfcl_prompt25")
    makes: dict[str, MakeControllers] = {
        "Latency": partial(_latency, CONFIG["latency"][0]),
        "Shares": lambda: [Shares(min={"gpt-4o-2024-05-13": 0.1}, max={"claude-3-haiku-20240307": 0.3})],
        "PerCohort": partial(_cohort_target, True),
        "QualityFloor": partial(_floor, CONFIG["floor"][0]),
        "Holdout": partial(_holdout, CONFIG["holdout"]),
        "Apprentice": partial(_apprentice, CONFIG["apprentice"]["share"], CONFIG["apprentice"]["incumbents"][0]),
        "all but the last, composed": everything,
    }
    rows = []
    for name, make in makes.items():
        lives = [
            live(recorded, 7, make, [QUALITY, LATENCY], delay=20, cohorts=_cohorts(directory), restart_at=stop)
            for stop in (None, len(recorded) // 2)
        ]
        same = (
            (lives[0].chosen == lives[1].chosen).all()
            and lives[0].probabilities.tobytes() == lives[1].probabilities.tobytes()
            and _states(lives[0]) == _states(lives[1])
            and lives[0].digest == lives[1].digest
        )
        rows.append([name, "the same bits" if same else "NOT THE SAME"])
    return [
        "## Restart in the middle",
        "",
        "Closed after half of the requests and opened again on the same SQLite file, with fresh controllers:",
        "choices, probabilities, states of controllers and what was learned, against a run never stopped.",
        *table(["controllers", "from then on"], rows),
    ]


def _states(life: Life) -> str:
    return json.dumps([controller.state() for controller in life.controllers], sort_keys=True)


def main() -> None:
    """Run it and write ``RESULTS.md``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=CONFIG["seeds"])
    arguments = parser.parse_args()
    first = CONFIG["first_seed"]
    with ProcessPoolExecutor(arguments.workers) as pool:

        def over(what: str, function: Callable[[int], Any]) -> list[Any]:
            print(what, flush=True)
            return list(pool.map(function, range(first, first + arguments.seeds)))

        parts = (latency, shares, floor, within, fairness, modes)
        sections = [line for part in parts for line in part(arguments.directory, over)]
    head = [
        "# Targets, floors and modes",
        "",
        f"Written by `python -m simulations.targets.run`. {arguments.seeds} seeds, each of which shuffles the",
        "stream; LinUCB with its default settings, from a cold start; preferences: quality alone. Every figure",
        "counts all requests from the first one on, burn-in and exploration floor included.",
        "",
    ]
    report = "\n".join([*head, *sections, *restarts(arguments.directory)])
    (HERE / "RESULTS.md").write_text(report.rstrip() + "\n", "utf-8")
    print(report)


if __name__ == "__main__":
    main()
