"""The study of targets, floors and modes; writes ``RESULTS.md``. See the README beside."""

import argparse
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from simulations.targets.cohorts import fairness
from simulations.targets.floors import floor
from simulations.targets.indicators import latency, within
from simulations.targets.measures import CONFIG, HERE
from simulations.targets.modes import modes
from simulations.targets.restarts import restarts
from simulations.targets.shares import shares


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
