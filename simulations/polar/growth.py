"""How regret grows with the number of adapters."""

import numpy as np

from banditroute.core.arrays import FloatArray
from simulations.markdown import table
from simulations.polar.study import CONFIG, Task, at_checkpoints
from simulations.polar.workers import Workers

WORLDS = {"plain": "a score, noise of .1", "pass_or_fail": "pass or fail", "harder": "the harder world"}


def slope(x: FloatArray, y: FloatArray) -> float:
    """Slope of log y over log x."""
    return float(np.polyfit(np.log(x), np.log(np.maximum(y, 1e-9)), 1)[0])


def in_adapters(workers: Workers) -> list[str]:
    """Growth in the number of adapters."""
    settings = CONFIG["growth_in_adapters"]
    counts, horizon, seeds, slots = (settings[key] for key in ("adapters", "horizon", "seeds", "capacity"))
    topics = settings["topics"]
    tasks = [
        Task("POLAR+", s, horizon, adapters=n, capacity=slots, topics=topics, world=world)
        for world in WORLDS
        for n in counts
        for s in range(seeds)
    ]
    regrets = [each.regret[-1] for each in workers.map("growth in N", at_checkpoints, tasks)]
    rows = []
    for world, name in WORLDS.items():
        last = [
            float(np.mean([r for t, r in zip(tasks, regrets, strict=True) if (t.adapters, t.world) == (n, world)]))
            for n in counts
        ]
        exponent = slope(np.array(counts), np.array(last))
        rows.append([name, *(f"{value:,.0f}" for value in last), f"{exponent:.2f}"])
    loads = [
        (n - slots) * CONFIG["world"]["utility_per_second"] * np.mean(CONFIG["world"]["load_s"]) for n in counts
    ]
    exponent = slope(np.array(counts), np.array(loads))
    rows.append(["of it, one load of each", *(f"{value:,.0f}" for value in loads), f"{exponent:.2f}"])
    return [
        "",
        "## More adapters",
        "",
        f"Regret of POLAR+; the same K = {slots}, d = 16 and {topics} topics throughout, as in the rate",
        "d√(NT) + √(KT) that the abstract gives: only how many adapters there are differs.",
        f"{horizon:,} requests, {seeds} seeds.",
        "Each adapter must be loaded and tried at least once, which is linear in N − K.",
        *table(["outcome", *(f"N = {n}" for n in counts), "exponent in N"], rows),
    ]
