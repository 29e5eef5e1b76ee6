"""``banditroute demo``: replays a recorded workload through several policies, on SQLite, in a minute."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from banditroute.cli.arguments import policies, weights
from banditroute.cli.interruption import completed
from banditroute.cli.progress import progress_bar
from banditroute.errors import InvalidArgumentError

_POLICIES = ("linucb", "lints", "greedy")
# At this scale a weight of 1 means that a perfect answer is worth half a cent.
_SCALES = {"cost_usd": 0.005}


def demo(
    prefer: Annotated[str, typer.Option(help="Weights of the objectives.")] = "quality=1,cost_usd=1",
    seeds: Annotated[int, typer.Option(help="Number of seeds; each replays the requests in another order.")] = 3,
    out: Annotated[Path, typer.Option(help="Directory for the plots.")] = Path("banditroute-demo"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Replay recorded prompts, answered by three models, through three policies with their state in SQLite."""
    from banditroute import evaluation
    from banditroute.evaluation import Workload, infer_objectives, replay

    scales = {name: scale for name, scale in _SCALES.items() if name in weights(prefer)}
    chosen, preferences = policies(_POLICIES), weights(prefer)
    if out.exists() and not out.is_dir():
        raise InvalidArgumentError(f"--out {out} must be a directory, but it is a file")
    workload = Workload.bundled()

    def go() -> evaluation.Comparison:
        with TemporaryDirectory(prefix="banditroute-demo-") as folder, progress_bar("replaying") as progress:
            return replay(
                workload,
                chosen,
                preferences=preferences,
                objectives=infer_objectives(workload, preferences, scales=scales),
                seeds=seeds,
                store=lambda policy, seed: f"sqlite:///{folder}/{policy}-{seed}.db",
                progress=progress,
            )

    comparison, code = completed(go, seeds)
    out.mkdir(parents=True, exist_ok=True)
    files = {
        "regret": evaluation.regret_plot,
        "plane": evaluation.frontier_plot,
        "traffic": evaluation.traffic_plot,
        "overview": evaluation.overview_plot,
    }
    for name, draw in files.items():
        draw(comparison).savefig(out / f"{name}.png")
    written = [str(out / f"{name}.png") for name in files]
    if as_json:
        typer.echo(json.dumps({**comparison.to_dict(), "plots": written}, indent=2, allow_nan=False))
    else:
        typer.echo(f"{evaluation.comparison_table(comparison)}\n\nplots: {', '.join(written)}")
    raise typer.Exit(code)
