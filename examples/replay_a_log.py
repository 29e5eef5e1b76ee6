"""Replay a recorded workload through several policies before any of them gets traffic.

Run it with ``python -m examples.replay_a_log`` (needs the extra ``frames``).
"""

import csv
import tempfile
from pathlib import Path

import numpy as np

from banditroute import Fixed, LinUCB, Uniform
from banditroute.evaluation import Workload, comparison_table, infer_objectives, replay

SPECIALISTS = {"code": (0.9, 0.4), "prose": (0.5, 0.8)}  # quality for requests about code, and about the rest


def record(path: Path, requests: int = 600) -> None:
    """Write a log in which every model answered every request, with quality and cost."""
    rng = np.random.default_rng(7)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ["query_id", "about_code", "quality__code", "quality__prose", "cost_usd__code", "cost_usd__prose"]
        )
        for i in range(requests):
            about_code = int(rng.random() < 0.5)
            qualities = [
                np.clip(means[1 - about_code] + 0.1 * rng.normal(), 0, 1) for means in SPECIALISTS.values()
            ]
            writer.writerow([i, about_code, *(f"{q:.4f}" for q in qualities), 0.004, 0.002])


def main() -> None:
    """Compare the default policy with the policies that it has to beat."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.csv"
        record(path)
        workload = Workload.read(path, features=["about_code"])
        preferences = {"quality": 1.0, "cost_usd": 0.1}
        comparison = replay(
            workload,
            {"linucb": LinUCB(), "uniform": Uniform(), "always code": Fixed("code")},
            preferences=preferences,
            objectives=infer_objectives(workload, preferences, scales={"cost_usd": 0.01}),
            seeds=5,
        )
        print(comparison_table(comparison))
        gap = comparison.difference("utility", "linucb", "always code")
        print(
            f"\nlinucb earns {gap.mean:+.3f} more per request than always code, [{gap.low:+.3f}, {gap.high:+.3f}]"
        )


if __name__ == "__main__":
    main()
