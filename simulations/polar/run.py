"""The study of the cache controllers; writes ``RESULTS.md``. See the README beside."""

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np

from banditroute.controllers.cache.placement import drawn_values, enumerated_set, local_set, worth
from banditroute.core.arrays import FloatArray
from banditroute.evaluation.metrics.interval import Interval
from simulations.markdown import signed, table
from simulations.polar.adversarial import adversarial
from simulations.polar.growth import in_adapters, slope
from simulations.polar.overhead import route_ratio
from simulations.polar.study import BASELINES, CONFIG, CONTROLLERS, Task, at_checkpoints, run
from simulations.polar.tables import table_rows
from simulations.polar.traces import trace_rows
from simulations.polar.workers import Workers

HERE = Path(__file__).parent


HEADS = {
    "plain": ["## A stationary world", ""],
    "harder": [
        "",
        "## A harder world",
        "",
        "A request only passes or fails, and adapters differ by little more than half of what they do above",
        "(16 topics), so that nothing is settled before the last request. The residents to begin with are the",
        "best for yesterday, when the popular topics were the unpopular ones.",
        "",
    ],
}


def stationary(workers: Workers, seeds: int, horizon: int, world: str) -> list[str]:
    """Growth in T, paired differences, and the distance from the oracle."""
    compared = min(CONFIG["compared"][world], horizon)
    lengths = {name: horizon if name.startswith("POLAR") else compared for name in CONTROLLERS}
    played = [name for name in CONTROLLERS if name not in ("LRU", "LFU")]
    tasks = [
        Task(name, seed, horizon, requests=lengths[name], world=world) for name in played for seed in range(seeds)
    ]
    results = workers.map(f"{world} world", at_checkpoints, tasks)
    found = {n: [r for t, r in zip(tasks, results, strict=True) if t.name == n] for n in played}
    moving = [Task(n, s, horizon, requests=compared, world=world) for n in ("LRU", "LFU") for s in range(seeds)]
    if any(summary.loads for summary in found["static"]):
        more = workers.map("LRU and LFU", at_checkpoints, moving)
        found |= {n: [r for t, r in zip(moving, more, strict=True) if t.name == n] for n in ("LRU", "LFU")}
    else:
        # They move at a miss. Behind an index that prices misses, their residents never missed: one and the same.
        found |= {"LRU": found["static"], "LFU": found["static"]}
    net = {n: np.array([summary.compared for summary in found[n]]) for n in CONTROLLERS}
    whole = {n: np.array([summary.net for summary in found[n]]) for n in ("POLAR+", "POLAR")}
    rows = []
    for name in CONTROLLERS:
        regret = np.mean([summary.regret for summary in found[name]], axis=0)
        marks = np.array(CONFIG["checkpoints"][: len(regret)])
        of_oracle = np.mean([summary.of_oracle for summary in found[name]])
        rows.append(
            [
                name,
                f"{net[name].mean():.4f}",
                f"{of_oracle:.3f}" if lengths[name] >= 50_000 else "",
                " · ".join(f"{value:,.0f}" for value in regret),
                f"{slope(marks, regret):.2f}",
                f"{np.mean([summary.loads for summary in found[name]]):,.0f}",
            ]
        )
    oracle, clairvoyant = (np.mean([getattr(r, n) for r in found["POLAR+"]]) for n in ("oracle", "belady"))
    return [
        *HEADS[world],
        f"N = 15, K = 5, d = 16, {seeds} seeds, {horizon:,} requests; net utilities are compared after",
        f"{compared:,}, which is what the baselines play. Bounds to show, not baselines to beat:",
        f"{oracle:.4f} is what the best fixed resident set with known means earns (the oracle, against which",
        f"regret is counted), {clairvoyant:.4f} what Belady's clairvoyant cache does, each request going to its",
        "best adapter.",
        *table(
            [
                "controller",
                "net utility",
                "of the oracle's, first 50,000",
                f"regret after {CONFIG['checkpoints']}",
                "slope",
                "loads",
            ],
            rows,
        ),
        f"Paired differences of net utility over seeds, {compared:,} requests, 95 %:",
        *table(
            ["", *BASELINES],
            [[f"{n} −", *(signed(Interval.of(net[n] - net[b])) for b in BASELINES)] for n in ("POLAR", "POLAR+")],
        ),
        f"POLAR+ − POLAR, {horizon:,} requests: {signed(Interval.of(whole['POLAR+'] - whole['POLAR']))}.",
    ]


def recovery(net: FloatArray, oracle: FloatArray, start: int, window: int = 500) -> float:
    """Requests after ``start`` until a window earns 95 % of the oracle's; infinite if none does."""
    for end in range(start + window, len(net) + 1, 100):
        if net[end - window : end].sum() >= 0.95 * oracle[end - window : end].sum():
            return float(end - start)
    return float("inf")


def _recovery(task: Task) -> float:
    episode = run(task)
    return recovery(episode.net, episode.oracle, task.horizon // 2)


def shifted(workers: Workers, seeds: int) -> list[str]:
    """Popularity turned upside down in the middle."""
    horizon, names = CONFIG["shift"]["horizon"], ("POLAR+", "POLAR", "static")
    tasks = [Task(name, seed, horizon, "shift") for name in names for seed in range(seeds)]
    times = workers.map("shift", _recovery, tasks)
    rows = []
    for name in names:
        mine = [time for task, time in zip(tasks, times, strict=True) if task.name == name]
        never = sum(np.isinf(mine))
        rows.append([name, "never" if np.isinf(median(mine)) else f"{median(mine):,.0f}", f"{never} of {seeds}"])
    return [
        "",
        "## Popularity shifts",
        "",
        f"The popularity of the topics is reversed after {horizon // 2:,} of {horizon:,} requests. Requests",
        "until 500 in a row earn 95 % of what the new best residents would. Doubling epochs are a bet on a",
        "world that stays as it is: the later the shift, the slower.",
        *table(["controller", "median recovery [requests]", "seeds that never recover"], rows),
    ]


def placement() -> list[str]:
    """Greedy with exchanges against enumeration, and the time of one epoch step."""
    rng = np.random.default_rng(11)
    worst = 1.0
    for _ in range(1_000):
        arms, slots = int(rng.integers(6, 16)), int(rng.integers(2, 6))
        values = 0.5 + 0.3 * rng.normal(size=(arms, 60)) + 0.2 * rng.normal(size=(arms, 1))
        miss = rng.uniform(0.05, 0.5, arms)
        load, floor = miss * (rng.random(arms) < 0.5), (values - miss[:, np.newaxis]).max(axis=0)
        best = worth(enumerated_set(values, floor, load, slots), values, floor, load)
        found = worth(local_set(values, floor, load, np.ones(arms), slots), values, floor, load)
        worst = min(worst, found / best)
    mean, miss = rng.normal(size=(256, 2_000)), rng.uniform(0.05, 0.5, 256)
    times = []
    for _ in range(7):
        start = time.perf_counter()
        values = drawn_values(mean, np.full_like(mean, 0.1), 0.25, rng)
        local_set(values, (values - miss[:, np.newaxis]).max(axis=0), miss, np.ones(256), 32)
        times.append(time.perf_counter() - start)
    return [
        "",
        "## Choosing residents",
        "",
        f"1,000 random instances: greedy with exchanges reaches at least {worst:.4%} of the best set's worth.",
        f"One step for N = 256, K = 32 and 2,000 contexts: {median(times) * 1e3:.0f} ms (median of 7).",
    ]


def main() -> None:
    """Run everything and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="directory of the recorded workloads and traces")
    parser.add_argument("--seeds", type=int, default=CONFIG["seeds"])
    parser.add_argument("--horizon", type=int, default=CONFIG["horizon"])
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    workers = Workers(arguments.workers)
    lines = [
        "# POLAR and POLAR+, reconstructed",
        "",
        "Written by `python -m simulations.polar.run`. Of the paper (arXiv 2604.16583) only the abstract is",
        "public: it gives the two time-scales, fixed epochs (POLAR), doubling epochs with forced exploration",
        "(POLAR+) and rates of regret, but no table and no constant. What is measured here is this project's",
        "reconstruction, so no published figure stands beside it.",
        "",
    ]
    half = max(2, arguments.seeds // 2)
    sections: list[Callable[[], list[str]]] = [
        lambda: stationary(workers, arguments.seeds, arguments.horizon, "plain"),
        lambda: stationary(workers, arguments.seeds, arguments.horizon, "harder"),
        lambda: adversarial(workers, arguments.seeds),
        lambda: in_adapters(workers),
        lambda: shifted(workers, half),
        placement,
        lambda: ["", "## Overhead", "", route_ratio()],
    ]
    if arguments.data is not None:
        sections.insert(2, lambda: table_rows(workers, arguments.data))
        sections.append(lambda: trace_rows(arguments.data))
    for section in sections:
        lines += section()
        # After each, so that a run that is stopped has not been for nothing.
        (HERE / "RESULTS.md").write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()
