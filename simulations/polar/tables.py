"""Recorded quality tables, their models taken as adapters of which only K fit."""

from pathlib import Path

import numpy as np

from banditroute.controllers import Adapter
from banditroute.controllers.cache.placement import best_set
from banditroute.core.arrays import FloatArray
from banditroute.evaluation import Workload
from banditroute.evaluation.metrics.interval import Interval
from simulations.polar.episode import Scene, play
from simulations.polar.study import CONFIG, CONTROLLERS, controller, policy
from simulations.polar.workers import Workers

PASSED = ("LRU", "LFU")


def net_utilities(task: tuple[Path, str, int, int]) -> FloatArray:
    """Mean net utility of each controller, then of the oracle, for one order of one table."""
    directory, name, slots, seed = task
    folder = directory / name
    workload = Workload.read(
        folder / f"{name}.parquet", features=folder / f"{name}.pca32.npy", metrics=["quality"]
    )
    rng = np.random.default_rng([5, seed])
    seconds = rng.choice(CONFIG["world"]["load_s"], size=len(workload.arms))
    miss = CONFIG["world"]["utility_per_second"] * seconds
    table = np.asarray(workload.outcomes["quality"], dtype=np.float64)
    requests = CONFIG["tables"]["requests"]
    passes = [rng.permutation(len(table)) for _ in range(-(-requests // len(table)))]
    order = np.concatenate(passes)[:requests]
    worth = table[order]
    adapters = {arm: Adapter(load_s=float(s)) for arm, s in zip(workload.arms, seconds, strict=True)}
    # Nothing is known beforehand: all but "random" begin with the first that fit.
    initial = tuple(workload.arms[:slots])
    floor = (table - miss).max(axis=1)
    best = best_set(table.T, floor, np.zeros(len(miss)), np.ones(len(miss)), slots)
    oracle = (worth - np.where(best, 0.0, miss)).max(axis=1)
    scene = Scene(tuple(workload.arms), np.asarray(workload.features)[order], worth, miss, 0.0, oracle)
    chooser = policy(alpha=CONFIG["tables"]["alpha"], ridge=CONFIG["tables"]["ridge"])
    nets: dict[str, float] = {}
    still = False
    for each in ("static", *(other for other in CONTROLLERS if other != "static")):
        if still and each in PASSED:
            # They move at a miss, and the same residents never missed.
            nets[each] = nets["static"]
            continue
        episode = play(scene, controller(each, adapters, scene, slots, initial, seed), chooser, seed)
        nets[each] = float(episode.net.mean())
        still = still or (each == "static" and not episode.loads)
    return np.array([*(nets[each] for each in CONTROLLERS), oracle.mean()])


def table_rows(workers: Workers, directory: Path) -> list[str]:
    """The section of the report."""
    lines = ["", "## Recorded quality tables as adapters", ""]
    for name, (slots, seeds) in CONFIG["tables"]["workloads"].items():
        results = np.stack(workers.map(name, net_utilities, [(directory, name, slots, s) for s in range(seeds)]))
        mean = results.mean(axis=0)
        lines += [
            f"{name}, K = {slots}: {CONFIG['tables']['requests']:,} requests, pass after pass through the table's",
            f"rows, each in an order of its own; {seeds} such streams. A table's best model per query is partly",
            f"luck, so no policy reaches the oracle ({mean[-1]:.4f}), which knows every cell.",
            "",
            "| controller | net utility | POLAR − it, 95 % paired | POLAR+ − it, 95 % paired |",
            "|---|---|---|---|",
        ]
        for i, each in enumerate(CONTROLLERS):
            cells = [each, f"{mean[i]:.4f}"]
            for mine in ("POLAR", "POLAR+"):
                gap = Interval.of(results[:, CONTROLLERS.index(mine)] - results[:, i])
                cells.append("" if each == mine else f"{gap.mean:+.4f} [{gap.low:+.4f}, {gap.high:+.4f}]")
            lines.append(f"| {' | '.join(cells)} |")
        lines.append("")
    return lines
