"""The study of the cache controllers; writes ``RESULTS.md``. See the README beside."""

import argparse
import os
import time
from collections.abc import Iterable
from pathlib import Path
from statistics import median

import numpy as np

from banditroute.arrays import FloatArray
from banditroute.controllers.cache.placement import enumerated_set, local_set, worth
from banditroute.simulator.interval import Interval
from simulations.polar.overhead import route_ratio
from simulations.polar.study import BASELINES, CONFIG, CONTROLLERS, Task, at_checkpoints, run
from simulations.polar.tables import table_rows
from simulations.polar.traces import trace_rows
from simulations.polar.workers import Workers

HERE = Path(__file__).parent


def slope(x: FloatArray, y: FloatArray) -> float:
    """Slope of log y over log x."""
    return float(np.polyfit(np.log(x), np.log(np.maximum(y, 1e-9)), 1)[0])


def table(head: list[object], rows: Iterable[Iterable[object]]) -> list[str]:
    """A table in Markdown."""
    return [
        "",
        f"| {' | '.join(map(str, head))} |",
        f"|{'---|' * len(head)}",
        *(f"| {' | '.join(map(str, r))} |" for r in rows),
    ]


def signed(interval: Interval) -> str:
    """An interval of differences."""
    return f"{interval.mean:+.4f} [{interval.low:+.4f}, {interval.high:+.4f}]"


def stationary(workers: Workers, seeds: int, horizon: int) -> list[str]:
    """Growth in T, paired differences, and the distance from the oracle."""
    tasks = [Task(name, seed, horizon) for name in CONTROLLERS for seed in range(seeds)]
    results = workers.map("stationary world", at_checkpoints, tasks)
    marks = np.array([mark for mark in CONFIG["checkpoints"] if mark <= horizon])
    regret = {n: np.array([r[0] for t, r in zip(tasks, results, strict=True) if t.name == n]) for n in CONTROLLERS}
    half = {n: np.array([r[1] for t, r in zip(tasks, results, strict=True) if t.name == n]) for n in CONTROLLERS}
    net = {n: np.array([r[2] for t, r in zip(tasks, results, strict=True) if t.name == n]) for n in CONTROLLERS}
    oracle = np.array([r[3] for t, r in zip(tasks, results, strict=True) if t.name == CONTROLLERS[0]])
    loads = {n: np.mean([r[4] for t, r in zip(tasks, results, strict=True) if t.name == n]) for n in CONTROLLERS}
    rows = [
        [
            name,
            f"{net[name].mean():.4f}",
            f"{(half[name][:, 0] / half[name][:, 1]).mean():.3f}",
            " · ".join(f"{value:,.0f}" for value in regret[name].mean(axis=0)),
            f"{slope(marks, regret[name].mean(axis=0)):.2f}",
            f"{loads[name]:,.0f}",
        ]
        for name in CONTROLLERS
    ]
    return [
        "## A stationary world",
        "",
        f"N = 15, K = 5, d = 16, T = {horizon:,}, {seeds} seeds. Regret is against the best fixed",
        f"resident set with known means, whose net utility is {oracle.mean():.4f}: a bound to show, not a",
        "baseline to beat.",
        *table(
            [
                "controller",
                "net utility",
                f"of the oracle's, first {min(50_000, horizon):,}",
                f"regret after {marks.tolist()}",
                "slope",
                "loads",
            ],
            rows,
        ),
        "",
        "Paired differences of net utility over seeds, 95 %:",
        *table(
            ["", *BASELINES],
            [["POLAR −", *(signed(Interval.of(net["POLAR"] - net[name])) for name in BASELINES)]],
        ),
        "",
        f"POLAR+ − POLAR: {signed(Interval.of(net['POLAR+'] - net['POLAR']))}.",
    ]


def in_adapters(workers: Workers, seeds: int) -> list[str]:
    """Growth in the number of adapters."""
    counts, horizon = CONFIG["growth_in_adapters"]["adapters"], CONFIG["growth_in_adapters"]["horizon"]
    tasks = [Task("POLAR+", s, horizon, adapters=n, capacity=n // 3) for n in counts for s in range(seeds)]
    results = workers.map("growth in N", at_checkpoints, tasks)
    last = [np.mean([r[0][-1] for t, r in zip(tasks, results, strict=True) if t.adapters == n]) for n in counts]
    return [
        "",
        "## More adapters",
        "",
        f"POLAR+, K = N/3, regret after {max(m for m in CONFIG['checkpoints'] if m <= horizon):,} requests,",
        f"{seeds} seeds.",
        *table(["N", *counts], [["regret", *(f"{value:,.0f}" for value in last)]]),
        "",
        f"Exponent in N: {slope(np.array(counts), np.array(last)):.2f}.",
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
    horizon, names = CONFIG["shift"]["horizon"], ("POLAR+", "POLAR", "LRU", "LFU", "static")
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
        "world that stays as it is, and are slow here.",
        *table(["controller", "median recovery [requests]", "seeds that never recover"], rows),
    ]


def _net(task: Task) -> tuple[float, float]:
    episode = run(task)
    return float(episode.net.mean()), float(episode.oracle.mean())


def adversarial(workers: Workers, seeds: int) -> list[str]:
    """One topic after the other."""
    names = ("POLAR+", "POLAR+ without forcing", "POLAR", "LRU", "LFU", "static", "cache-blind")
    tasks = [Task(name, seed, 30_000, "blocks") for name in names for seed in range(seeds)]
    results = workers.map("blocks", _net, tasks)
    net = {n: np.array([r[0] for t, r in zip(tasks, results, strict=True) if t.name == n]) for n in names}
    oracle = np.mean([r[1] for t, r in zip(tasks, results, strict=True) if t.name == "POLAR"])
    return [
        "",
        "## An adversarial order",
        "",
        f"Each topic in one block of 1,000 requests, all of them twice, {seeds} seeds; the best fixed",
        f"residents in hindsight earn {oracle:.4f}.",
        *table(["controller", "net utility"], [[name, f"{net[name].mean():.4f}"] for name in names]),
        "",
        f"POLAR − static: {signed(Interval.of(net['POLAR'] - net['static']))}.",
        f"POLAR+ with forcing − without: {signed(Interval.of(net['POLAR+'] - net['POLAR+ without forcing']))}.",
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
    values, miss = rng.normal(size=(256, 2_000)), rng.uniform(0.05, 0.5, 256)
    times = []
    for _ in range(7):
        start = time.perf_counter()
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
    lines += stationary(workers, arguments.seeds, arguments.horizon)
    lines += in_adapters(workers, max(2, arguments.seeds // 2))
    lines += shifted(workers, max(2, arguments.seeds // 2))
    lines += adversarial(workers, max(2, arguments.seeds // 2))
    lines += placement()
    lines += ["", "## Overhead", "", route_ratio()]
    if arguments.data is not None:
        lines += table_rows(workers, arguments.data)
        lines += trace_rows(arguments.data)
    (HERE / "RESULTS.md").write_text("\n".join(lines) + "\n", "utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
