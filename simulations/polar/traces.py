"""Arrivals of real traces: how long requests wait for adapters, in seconds of the clock."""

from pathlib import Path

import numpy as np

from simulations.polar.episode import play
from simulations.polar.study import CONFIG, Task, controller, policy, scene

TRACES = ("azure_conv_2023", "mooncake_conversation")
SHOWN = ("POLAR+", "POLAR", "LRU", "LFU", "static", "cache-blind")


def trace_rows(directory: Path) -> list[str]:
    """The section of the report: the stationary world's requests at the times at which real ones came."""
    from pyarrow import parquet  # type: ignore[import-untyped]

    lines = [
        "",
        "## Arrivals of real traces",
        "",
        "The stationary world's requests (seed 0), at the arrival times of production traces. Seconds waited are",
        "those of requests whose adapter was not resident.",
        "",
        "| trace | controller | requests | seconds waited per 1,000 requests | loads a minute | at the most |",
        "|---|---|---|---|---|---|",
    ]
    for trace in TRACES:
        arrivals = parquet.read_table(directory / trace / f"{trace}.parquet", columns=["arrival_s"])[
            "arrival_s"
        ].to_numpy()
        world, requests = scene(Task("POLAR+", 0, len(arrivals)))
        for name in SHOWN:
            made = controller(name, world.adapters, requests, world.config.capacity, world.best_by_prior(), 0)
            episode = play(requests, made, policy(), 0)
            waited = episode.waited / CONFIG["world"]["utility_per_second"]
            minutes = np.bincount((arrivals // 60).astype(int), weights=episode.loaded)
            cells = [trace, name, f"{len(arrivals):,}", f"{1_000 * waited.mean():.0f}"]
            cells += [f"{minutes.mean():.1f}", f"{minutes.max():.0f}"]
            lines.append(f"| {' | '.join(cells)} |")
    return lines
