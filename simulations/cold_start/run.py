"""Default settings from a cold start, over many orders of recorded workloads; see the README beside."""

import argparse
import tomllib
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from banditroute import EpsilonGreedy, Exploration, LinTS, LinUCB, Policy
from banditroute.evaluation import Workload, replay

HERE = Path(__file__).parent
POLICIES: dict[str, Policy] = {
    "LinUCB()": LinUCB(),
    "LinUCB, floor off": LinUCB(exploration=Exploration(floor=0.0)),
    "LinTS()": LinTS(),
    "EpsilonGreedy()": EpsilonGreedy(),
}


def study(directory: Path, config: dict[str, Any], workers: int) -> str:
    """Replay all policies on all workloads; the report in Markdown."""
    lines = [
        "# Cold start",
        "",
        "Written by `python -m simulations.cold_start.run`. Mean utility of a whole stream,",
        f"quality − 0.3 · cost / bound, over {config['seeds']} seeds, each of which shuffles the stream;",
        "± is half of a 95% interval over seeds.",
    ]
    for name in config["workloads"]:
        folder = directory / name
        workload = Workload.read(folder / f"{name}.parquet", features=folder / f"{name}.pca32.npy")
        with ProcessPoolExecutor(workers) as executor:
            comparison = replay(
                workload,
                POLICIES,
                preferences=config["preferences"],
                seeds=config["seeds"],
                executor=executor,
            )
        goals = config["goals"][name]
        bad = goals.get("bad_seed")
        lines += ["", f"## {name}: {len(workload)} requests, {len(workload.arms)} arms", ""]
        lines += [f"Asked for with the floor on: ≥ {goals['least']}; the goal is ≥ {goals['goal']}.", ""]
        head = ["policy", "utility", "±", "worst seed", *([f"seeds below {bad}"] if bad else [])]
        lines += [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
        for policy in POLICIES:
            interval, values = (
                comparison.interval("utility", policy),
                np.asarray(comparison.values("utility", policy)),
            )
            cells = [policy, f"{interval.mean:.4f}", f"{interval.high - interval.mean:.4f}", f"{values.min():.4f}"]
            cells += [f"{(values < bad).mean():.0%}"] if bad else []
            lines.append(f"| {' | '.join(cells)} |")
        for baseline in comparison.baselines[:3]:
            lines.append(f"| {baseline.name} | {baseline.values['utility']:.4f} | | |{' |' if bad else ''}")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run it and write ``RESULTS.md``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    report = study(
        arguments.directory, tomllib.loads((HERE / "config.toml").read_text("utf-8")), arguments.workers
    )
    (HERE / "RESULTS.md").write_text(report, "utf-8")
    print(report)


if __name__ == "__main__":
    main()
