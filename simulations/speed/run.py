"""Measures how long a request takes, beside the peers; writes RESULTS.md. The README says how to run it."""

import argparse
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulations.speed.imports import time_imports
from simulations.speed.learner import Learner, agreement
from simulations.speed.machine import describe, require_one_plain_thread
from simulations.speed.ours import Ours
from simulations.speed.peers import PEERS, Maker
from simulations.speed.stream import Stream, make_stream
from simulations.speed.timing import Timing, interleave

HERE = Path(__file__).parent
OURS = "banditroute"
DISTRIBUTIONS = (OURS, "numpy", "scipy", *PEERS)


@dataclass(frozen=True, slots=True)
class Cell:
    """One row of the table: who was timed and how often it chose as the closed form does; who was not, and why."""

    label: str
    goal: float
    timings: Mapping[str, Timing]
    agreements: Mapping[str, float]
    skipped: Mapping[str, str]

    @property
    def best_peer(self) -> str:
        """The fastest of the others."""
        return min((name for name in self.timings if name != OURS), key=lambda name: self.timings[name].quiet)


def measure(settings: Mapping[str, Any], cell: Mapping[str, Any]) -> Cell:
    """Check all learners against the closed form, then time them in interleaved blocks."""
    checked, blocks, steps = settings["checked_steps"], settings["blocks"], settings["steps_per_block"]
    stream = make_stream(
        arms=cell["arms"],
        dimension=cell["dimension"],
        pulls_per_arm=cell["pulls_per_arm"],
        steps=checked + blocks * steps,
        preferences=settings["preferences"],
        seed=settings["seed"],
    )
    learners: dict[str, Learner] = {}
    skipped: dict[str, str] = {}
    makers: Mapping[str, Maker] = {OURS: Ours, **PEERS}
    for name, make in makers.items():
        try:
            learners[name] = make(stream, settings["alpha"])
        except ImportError as error:
            skipped[name] = str(error)
    agreements = {name: _warmed_agreement(learner, stream, settings) for name, learner in learners.items()}
    timings = interleave(
        learners, stream, first=checked, blocks=blocks, steps=steps, seconds=settings["seconds_per_cell"]
    )
    label = f"{cell['arms']} × {cell['dimension']}, {cell['pulls_per_arm']} pulls"
    return Cell(label, cell["goal"], timings, agreements, skipped)


def _warmed_agreement(learner: Learner, stream: Stream, settings: Mapping[str, Any]) -> float:
    learner.warm(stream)
    return agreement(learner, stream, ridge=settings["ridge"], steps=settings["checked_steps"])


def decide_table(cells: list[Cell]) -> Iterator[str]:
    """The first part of the report, as lines of Markdown."""
    names = [OURS, *PEERS]
    yield "## Decide + update of one request [µs]\n"
    yield "Quiet (smallest block median) · mean over all requests.\n"
    yield f"| N × d | {' | '.join(names)} | best peer / ours, quiet | by means | goal |"
    yield "|---" * (len(names) + 4) + "|"
    for cell in cells:
        shown = [_shown(cell.timings.get(name)) for name in names]
        ours, best = cell.timings[OURS], cell.timings[cell.best_peer]
        quiet, mean = best.quiet / ours.quiet, best.mean / ours.mean
        verdict = "met" if quiet >= cell.goal else "**missed**"
        yield (
            f"| {cell.label} | {' | '.join(shown)} | {quiet:.1f} ({cell.best_peer}) | {mean:.1f} "
            f"| {cell.goal:g}: {verdict} |"
        )
    yield "\nChoices that equal the closed form's, by each learner's own formula, before the clock ran:\n"
    yield f"| N × d | {' | '.join(names)} |"
    yield "|---" * (len(names) + 1) + "|"
    for cell in cells:
        shares = [f"{cell.agreements[name]:.0%}" if name in cell.agreements else "–" for name in names]
        yield f"| {cell.label} | {' | '.join(shares)} |"
    for name, reason in {name: reason for cell in cells for name, reason in cell.skipped.items()}.items():
        yield f"\nNot timed: {name}, {reason}."


def _shown(timing: Timing | None) -> str:
    return "–" if timing is None else f"{timing.quiet:,.1f} · {timing.mean:,.1f}"


def journey_table(settings: Mapping[str, Any]) -> Iterator[str]:
    """The second part: the whole journey through the router."""
    from simulations.speed.journey import travel

    yield "\n## `Router.route`, then `Router.feedback`: what the caller waits for [µs]\n"
    yield "| N × d | store | route, median | p99 | feedback, median | p99 | rows/s, durable |"
    yield "|---|---|---|---|---|---|---|"
    for arms, dimension in settings["journey"]["cells"]:
        stream = make_stream(
            arms=arms,
            dimension=dimension,
            pulls_per_arm=1,
            steps=1_000,
            preferences=settings["preferences"],
            seed=settings["seed"],
        )
        for store in ("memory", "SQLite"):
            found = travel(stream, on_disk=store == "SQLite", requests=settings["journey"]["requests"])
            cells = " | ".join(f"{value:,.0f}" for value in (*found.route, *found.feedback, found.rows_per_s))
            yield f"| {arms} × {dimension} | {store} | {cells} |"


def imports_table(settings: Mapping[str, Any]) -> Iterator[str]:
    """The third part: what ``import banditroute`` costs."""
    found = time_imports(rounds=settings["imports"]["rounds"], forbidden=settings["imports"]["forbidden"])
    verdict = "met" if found.ratio <= settings["imports"]["goal"] else "**missed**"
    yield "\n## Imports, medians over whole processes [ms]\n"
    yield "| bare interpreter | import numpy | import banditroute | ratio | over the bare interpreter | goal |"
    yield "|---|---|---|---|---|---|"
    yield (
        f"| {found.bare_ms:.0f} | {found.numpy_ms:.0f} | {found.banditroute_ms:.0f} | {found.ratio:.2f} "
        f"| {found.ratio_over_bare:.2f} | {settings['imports']['goal']:g}: {verdict} |"
    )
    yield f"\nLoaded though it should not be: {', '.join(found.loaded) or 'nothing'}."


def main() -> None:
    """Measure all parts and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, default=HERE / "config.toml")
    parser.add_argument("--results", type=Path, default=HERE / "RESULTS.md")
    arguments = parser.parse_args()
    require_one_plain_thread()
    settings = tomllib.loads(arguments.config.read_text(encoding="utf-8"))
    cells = []
    for cell in settings["cells"]:
        cells.append(measure(settings, cell))
        print(*decide_table(cells[-1:]), sep="\n", flush=True)
    lines = ["# Speed\n", f"Written by `python -m simulations.speed.run`. {describe(DISTRIBUTIONS)}\n"]
    lines += [*decide_table(cells), *journey_table(settings), *imports_table(settings)]
    arguments.results.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(arguments.results.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
