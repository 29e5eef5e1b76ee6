"""The study of budgets; writes ``RESULTS.md``. See the README beside."""

import argparse
import os
import subprocess
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from banditroute.core.arrays import FloatArray
from banditroute.evaluation.metrics.baselines import best_static_mixture, mean_of_arms
from banditroute.evaluation.workload.workload import shuffled_rows
from simulations.budget.arrivals import arrivals
from simulations.budget.data import splits
from simulations.budget.drills import Drill, drill, restarted, shuffled
from simulations.budget.stream import BUDGET, RIVALS, Setting, learn_history, play
from simulations.budget.study import BUDGETS, CONFIG, HERE, Study, setting
from simulations.markdown import table


def _history(task: tuple[str, Path]) -> None:
    controller, path = task
    learn_history(setting(controller, 1.0, warm=True), splits()["val"], path)


def _plain(task: tuple[Setting, int, Path | None]) -> tuple[float, float]:
    """Mean quality and mean dollars of one stream."""
    how, seed, history = task
    run = play(how, shuffled(splits()["test"], seed), seed, history=history)
    return float(run.quality.mean()), float(run.usd.mean())


def mixture(usd: float) -> float:
    """Quality of the best static mixture of the test rows at these dollars."""
    test = splits()["test"]
    quality, cost = mean_of_arms(test.quality), mean_of_arms(test.usd)
    shares = best_static_mixture(quality, cost, usd)
    return float("nan") if shares is None else float(shares @ quality)


def dollars(study: Study, peer: Path | None) -> list[str]:
    """The table of the six budgets."""
    ours = [(BUDGET, True, None), (BUDGET, True, 0.02), (BUDGET, False, None)]
    kinds = ours + [(name, True, None) for name in RIVALS]
    few = min(study.seeds, CONFIG["rival_seeds"])
    found = []
    for name, warm, floor in kinds:
        tasks = [
            (setting(name, usd, warm=warm, floor=floor), seed, study.logs[name] if warm else None)
            for usd in BUDGETS
            for seed in range(study.seeds if name == BUDGET else few)
        ]
        found.append(np.array(study.map(_plain, tasks)).reshape(len(BUDGETS), -1, 2))
    config = CONFIG["dollars"]
    quality, cost = found[0][:, :, 0], found[0][:, :, 1] / np.array(BUDGETS)[:, np.newaxis]
    static = [float(np.mean([mixture(usd) for usd in cells])) for cells in found[0][:, :, 1]]
    rows = []
    for i, usd in enumerate(BUDGETS):
        least = config["least"][i]
        required = least if i < 2 else max(least, static[i] - 0.001)
        half = 1.96 * quality[i].std(ddof=1) / np.sqrt(study.seeds)
        passed = quality[i].mean() >= required and cost[i].mean() <= config["most_cost"]
        rows.append(
            [
                f"{usd:g}",
                f"**{quality[i].mean():.4f}** ± {half:.4f}",
                f"{cost[i].mean():.3f}",
                f"{required:.4f}",
                f"{static[i]:.4f}",
                f"{config['published'][i]:.3f} ({config['published_cost'][i]:.2f})",
                f"{config['hindsight_ridge'][i]:.3f}",
                "yes" if passed else "**no**",
            ]
        )
    lines = [
        "## Dollars",
        "",
        f"1,824 test requests, {study.seeds} seeds (orders), warm start on the validation rows. Quality (mean",
        "over seeds ± half a 95 % interval), and unclipped cost / budget; the hindsight static mixture has the",
        "dollars of the same run; the ridge is fitted on validation and its price tuned on the test rows.",
        *table(
            [
                "budget [USD]",
                "quality",
                "cost / budget",
                "required",
                "static mixture",
                "published",
                "ridge",
                "kept",
            ],
            rows,
        ),
        f"Everything on the same streams, quality (cost / budget); of the three comparators {few} seeds:",
    ]
    names = [
        f"{name}, {'warm' if warm else 'cold'}{'' if floor is None else f', floor {floor:g}'}"
        for name, warm, floor in kinds
    ]
    body = [
        [name, *(_cell(found[k][i, :, 0].mean(), found[k][i, :, 1].mean() / usd) for i, usd in enumerate(BUDGETS))]
        for k, name in enumerate(names)
    ]
    body += _peer_rows(study.seeds, peer)
    return [*lines, *table(["", *(f"{usd:g}" for usd in BUDGETS)], body)]


def _cell(quality: float, cost: float) -> str:
    return f"{quality:.3f} ({cost:.2f})"


def _peer_rows(seeds: int, peer: Path | None) -> list[list[str]]:
    if peer is None:
        return [["paretobandit 0.1.1", *(["not run: no interpreter that has it was given"] * len(BUDGETS))]]
    test, history = splits()["test"], splits()["val"]
    orders = np.stack([shuffled_rows(len(test.X), seed) for seed in range(seeds)])
    with tempfile.TemporaryDirectory() as folder:
        task, result = Path(folder) / "task.npz", Path(folder) / "result.npz"
        np.savez(
            task,
            X=test.X,
            quality=test.quality,
            usd=test.usd,
            history_X=history.X,
            history_quality=history.quality,
            budgets=np.array(BUDGETS),
            orders=orders,
        )
        subprocess.run([peer, HERE / "peer.py", task, result], check=True, stdout=subprocess.DEVNULL)
        data = np.load(result)
        quality, usd = data["quality"].mean(axis=2), data["usd"].mean(axis=2)
    return [
        [f"paretobandit 0.1.1, {start}", *(_cell(quality[k, i], usd[k, i] / b) for i, b in enumerate(BUDGETS))]
        for k, start in enumerate(("warm", "cold"))
    ]


def drops(study: Study) -> list[str]:
    """A price that drops and comes back, and a quality that does."""
    lines = []
    for kind, config in (
        ("announced", CONFIG["price_drop"]),
        ("silent", CONFIG["price_drop"]),
        ("quality", CONFIG["quality_drop"]),
    ):
        size = config["quality"] if kind == "quality" else config["factor"]
        rows = []
        for warm in (True, False):
            how = setting(BUDGET, config["budget"], warm=warm)
            log = study.logs[BUDGET] if warm else None
            tasks = [Drill(kind, how, seed, config["arm"], size, log) for seed in range(study.seeds)]
            found = study.map(drill, tasks)
            quality, cost, share = np.mean([result[:3] for result in found], axis=0)
            rows.append(
                [
                    "warm" if warm else "cold",
                    _thirds(quality, ".4f"),
                    _thirds(cost, ".3f"),
                    _thirds(share, ".0%"),
                    f"{np.mean([result[0][2] / result[0][0] for result in found]):.4f}",
                    f"{np.median([result[3] for result in found]):.0f}",
                ]
            )
        what = (
            f"Silent quality drop: {config['arm']} to a mean of {size:g}"
            if kind == "quality"
            else f"Price drop, {kind}: {config['arm']} ÷ {size:g}"
        )
        lines += [
            f"### {what}",
            "",
            f"In the second of three thirds, then back. {config['budget']:g} USD a request, {study.seeds} seeds.",
            *table(
                [
                    "start",
                    "quality in thirds",
                    "cost / budget in thirds",
                    "share of the arm",
                    "quality after / before",
                    "requests until its share settles (median)",
                ],
                rows,
            ),
        ]
    return ["## The world changes", "", *lines]


def _thirds(values: FloatArray, form: str) -> str:
    return " · ".join(format(value, form) for value in values)


def restarts(study: Study) -> list[str]:
    """Bit for bit."""
    config = CONFIG["restart"]
    how = setting(BUDGET, config["budget"], warm=True)
    same, differs = restarted(how, 0, config["at"], study.logs[BUDGET])
    return [
        "## Restart",
        "",
        f"Closed and opened again before request {config['at']:,}, warm, {config['budget']:g} USD: every choice",
        f"and propensity the same, bit for bit: {'yes' if same else '**no**'}",
        f"(and another seed differs: {'yes' if differs else '**no**'}).",
    ]


def main() -> None:
    """Run everything and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="directory of the recorded workloads")
    parser.add_argument("--peer", type=Path, help="a Python that has paretobandit==0.1.1")
    parser.add_argument("--seeds", type=int, default=CONFIG["seeds"])
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", nargs="*", default=["dollars", "drops", "arrivals", "restarts"])
    parser.add_argument("--report", type=Path, default=HERE / "RESULTS.md")
    arguments = parser.parse_args()
    policy = CONFIG["policy"]
    lines = [
        "# Budgets",
        "",
        "Written by `python -m simulations.budget.run`. Three models of the wheel `paretobandit` 0.1.1, 32",
        "principal components of MiniLM (the bundled workload), no dataset label. Inside every budget the same",
        f"policy, LinUCB(alpha={policy['alpha']:g}), ridge {policy['ridge']:g} warm and",
        f"{CONFIG['cold']['ridge']:g} cold, floor {policy['floor']:g} (.02 is the library's default, and has a",
        "row of its own); comparators have no floor. Warm starts are ordinary feedback on all arms of the 1,785",
        "validation rows.",
        "",
    ]
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(arguments.workers) as pool:
        names = [BUDGET, *(RIVALS if "dollars" in arguments.only else ())]
        logs = {name: Path(folder) / f"{i}.db" for i, name in enumerate(names)}
        study = Study(pool, arguments.seeds, logs)
        study.map(_history, logs.items())
        sections: dict[str, Callable[[], list[str]]] = {
            "dollars": lambda: dollars(study, arguments.peer),
            "drops": lambda: drops(study),
            "arrivals": lambda: arrivals(study, arguments.data),
            "restarts": lambda: restarts(study),
        }
        for name in arguments.only:
            lines += ["\n".join(sections[name]()).rstrip(), ""]
    arguments.report.write_text("\n".join(lines).rstrip() + "\n", "utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
