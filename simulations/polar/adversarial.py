"""Adversarial orders of requests, and a policy with too narrow widths."""

import numpy as np

from banditroute.evaluation.metrics.interval import Interval
from simulations.markdown import signed, table
from simulations.polar.study import CONFIG, Task, run
from simulations.polar.workers import Workers


def _net(task: Task) -> tuple[float, float]:
    episode = run(task)
    return float(episode.net.mean()), float(episode.oracle.mean())


def adversarial(workers: Workers, seeds: int) -> list[str]:
    """An order against epochs, and topics that come late."""
    return [*_sorted(workers, seeds), *_late(workers, seeds)]


def _sorted(workers: Workers, seeds: int) -> list[str]:
    settings = CONFIG["adversarial"]
    names = ("POLAR", "POLAR+", "static", "cache-blind")
    tasks = [Task(name, seed, settings["horizon"], "sorted") for name in names for seed in range(seeds)]
    found = np.array(workers.map("sorted by topic", _net, tasks)).reshape(len(names), seeds, 2)
    net, oracle = dict(zip(names, found[:, :, 0], strict=True)), found[0, :, 1].mean()
    return [
        "",
        "## Adversarial orders",
        "",
        f"The stationary world's mixture of requests, but sorted by topic within each {settings['chunk']:,}: an",
        f"epoch says little of the next. {settings['horizon']:,} requests, {seeds} seeds; the best fixed",
        f"residents in hindsight earn {oracle:.4f}.",
        *table(["controller", "net utility"], [[name, f"{each.mean():.4f}"] for name, each in net.items()]),
        f"POLAR − static: {signed(Interval.of(net['POLAR'] - net['static']))}; POLAR − the best in",
        f"hindsight: {net['POLAR'].mean() - oracle:+.4f}.",
    ]


def _late(workers: Workers, seeds: int) -> list[str]:
    settings = CONFIG["adversarial"]
    forced = {
        "POLAR+ without forcing": "0",
        "POLAR+": f"{CONFIG['polar_plus']['forced']:g}",
        "POLAR+ with more forcing": f"{settings['forced']:g}",
    }
    names, ridges = (*forced, "POLAR", "static"), (CONFIG["policy"]["ridge"], settings["narrow_ridge"])
    tasks = [
        Task(name, seed, settings["horizon"], "late", ridge=ridge)
        for ridge in ridges
        for name in names
        for seed in range(seeds)
    ]
    found = np.array(workers.map("late topics", _net, tasks)).reshape(len(ridges), len(names), seeds, 2)
    rows = []
    for i, name in enumerate(names):
        row = [f"POLAR+, c = {forced[name]}" if name in forced else name]
        for net in found[:, :, :, 0]:
            gain = net[i] - net[0]
            row += [f"{net[i].mean():.4f}", signed(Interval.of(gain)) if name in forced and i else ""]
        rows.append(row)
    return [
        "",
        "Topics that come late: for the first two fifths only the popular half of the topics is asked for, then",
        "only the other half. Its adapters looked bad until then and were not held. A policy whose widths are",
        f"as wide as they should be (ridge {ridges[0]:g}, as everywhere here) finds them by its optimism, when",
        f"residents are chosen; one that is too sure of what it has not seen (ridge {ridges[1]:g}) needs forced",
        "requests, whose share is c √(N/L). The best fixed residents in hindsight earn",
        f"{found[0, 0, :, 1].mean():.4f}. Gains are against POLAR+ without forcing.",
        *table(
            ["controller", *(cell for ridge in ridges for cell in (f"net utility, ridge {ridge:g}", "gain"))], rows
        ),
    ]
