"""Recorded quality tables, their models taken as adapters of which only K fit."""

from pathlib import Path

import numpy as np

from banditroute.arrays import FloatArray
from banditroute.controllers import Adapter
from banditroute.controllers.cache.placement import best_set
from banditroute.simulator import Workload
from banditroute.simulator.interval import Interval
from simulations.polar.episode import Scene, play
from simulations.polar.study import CONFIG, CONTROLLERS, controller, policy
from simulations.polar.workers import Workers


def net_utilities(task: tuple[Path, str, int, int]) -> FloatArray:
    """Mean net utility of each controller, then of the oracle, for one order of one table."""
    directory, name, slots, seed = task
    folder = directory / name
    recorded = Workload.read(
        folder / f"{name}.parquet", features=folder / f"{name}.pca32.npy", metrics=["quality"]
    )
    workload = recorded.shuffled(seed)
    rng = np.random.default_rng([5, seed])
    seconds = rng.choice(CONFIG["world"]["load_s"], size=len(workload.arms))
    miss = CONFIG["world"]["second_price"] * seconds
    worth = np.asarray(workload.outcomes["quality"], dtype=np.float64)
    adapters = {arm: Adapter(load_s=float(s)) for arm, s in zip(workload.arms, seconds, strict=True)}
    # Nothing is known beforehand: all but "random" begin with the first that fit.
    initial = tuple(workload.arms[:slots])
    floor = (worth - miss).max(axis=1)
    best = best_set(worth.T, floor, np.zeros(len(miss)), np.ones(len(miss)), slots)
    oracle = (worth - np.where(best, 0.0, miss)).max(axis=1)
    scene = Scene(tuple(workload.arms), np.asarray(workload.features), worth, miss, 0.0, oracle)
    nets = [
        play(scene, controller(each, adapters, scene, slots, initial, seed), policy(), seed).net.mean()
        for each in CONTROLLERS
    ]
    return np.array([*nets, oracle.mean()])


def table_rows(workers: Workers, directory: Path) -> list[str]:
    """The section of the report."""
    lines = ["", "## Recorded quality tables as adapters", ""]
    seeds = CONFIG["tables"]["seeds"]
    for name, slots in CONFIG["tables"]["workloads"].items():
        results = np.stack(workers.map(name, net_utilities, [(directory, name, slots, s) for s in range(seeds)]))
        mean = results.mean(axis=0)
        lines += [
            f"{name}, K = {slots}, {seeds} orders. A table's best model per query is partly luck, so no policy",
            f"reaches the oracle ({mean[-1]:.4f}), which knows every cell.",
            "",
            "| controller | net utility | POLAR+ − it, 95 % paired |",
            "|---|---|---|",
        ]
        for i, each in enumerate(CONTROLLERS):
            gap = Interval.of(results[:, 0] - results[:, i])
            difference = "" if i == 0 else f"{gap.mean:+.4f} [{gap.low:+.4f}, {gap.high:+.4f}]"
            lines.append(f"| {each} | {mean[i]:.4f} | {difference} |")
        lines.append("")
    return lines
