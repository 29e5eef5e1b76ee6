"""``banditroute replay``: compares policies on a recorded workload."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from banditroute.cli.arguments import POLICIES_HELP, bounds, check_plot, policies, scales, weights
from banditroute.cli.interruption import completed
from banditroute.cli.progress import progress_bar
from banditroute.errors import InvalidArgumentError
from banditroute.policies import Policy

if TYPE_CHECKING:
    # Loaded where it is used, so that the other commands start without it.
    from banditroute.evaluation import Candidate, Comparison


_Features: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--features",
        "--features-from",
        help="A .npy file, or columns of numbers or lists, separated by commas; by default x_0, x_1, …",
    ),
]
_Metrics: TypeAlias = Annotated[
    str | None,
    typer.Option(help="Metrics to read, separated by commas; by default all columns that hold numbers."),
]


def replay(
    file: Annotated[
        Path, typer.Argument(help="Parquet, CSV, TSV, JSON or JSON lines, wide or long.", show_default=False)
    ],
    features: _Features = None,
    metrics: _Metrics = None,
    policy: Annotated[list[str] | None, typer.Option(help=f"{POLICIES_HELP}; may be repeated.")] = None,
    prefer: Annotated[
        str | None,
        typer.Option(help="Weights of the objectives; by default those of --config, or quality=1,cost_usd=0.3."),
    ] = None,
    bound: Annotated[
        list[str] | None,
        typer.Option(help="NAME=LOW:HIGH, what is one unit of utility; for qualities by default 0:1."),
    ] = None,
    scale: Annotated[
        list[str] | None,
        typer.Option(help="NAME=VALUE, what is one unit of a cost or latency; by default its 95th percentile."),
    ] = None,
    seeds: Annotated[int, typer.Option(help="Number of seeds; each replays the requests in another order.")] = 5,
    order: Annotated[str, typer.Option(help="Order of requests: shuffled (by seed) or recorded.")] = "shuffled",
    config: Annotated[
        Path | None,
        typer.Option(help="Replay the policy, controllers and preferences of a configuration file, too."),
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the comparison into this file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Replay a recorded workload through policies and compare them with the baselines."""
    from banditroute.evaluation import Workload, infer_objectives
    from banditroute.evaluation import replay as run

    chosen: dict[str, Policy | Candidate] = dict(policies(policy or ["linucb", "lints", "uniform"]))
    configured, preferred = ({}, None) if config is None else _configured(config)
    for name in configured.keys() & chosen.keys():
        raise InvalidArgumentError(f"--config names its router {name!r}, which is a --policy too")
    preferences = weights(prefer or "quality=1,cost_usd=0.3") if prefer or preferred is None else preferred
    given, scaled = bounds(bound or []), scales(scale or [])
    if order not in ("shuffled", "recorded"):
        raise InvalidArgumentError(f"--order {order!r} must be shuffled or recorded")
    check_plot(plot)
    source = _names(features) if features and not features.endswith(".npy") else features
    workload = Workload.read(file, features=source, metrics=_names(metrics))
    objectives = infer_objectives(workload, preferences, bounds=given, scales=scaled)

    def go() -> "Comparison":
        with progress_bar("replaying") as progress:
            return run(
                workload,
                configured | chosen,
                preferences=preferences,
                objectives=objectives,
                seeds=seeds,
                order="recorded" if order == "recorded" else "shuffled",
                progress=progress,
            )

    comparison, code = completed(go, seeds)
    _show(comparison, plot, as_json=as_json)
    raise typer.Exit(code)


def _show(comparison: "Comparison", plot: Path | None, *, as_json: bool) -> None:
    from banditroute.evaluation import comparison_table, overview_plot

    if as_json:
        typer.echo(json.dumps(comparison.to_dict(), indent=2, allow_nan=False))
    else:
        typer.echo(comparison_table(comparison))
    if plot is not None:
        overview_plot(comparison).savefig(plot)
        typer.echo(f"\nplots: {plot}", err=as_json)


def _names(listed: str | None) -> list[str] | None:
    return listed.split(",") if listed else None


def _configured(file: Path) -> "tuple[dict[str, Policy | Candidate], Mapping[str, float] | None]":
    """The policy with its controllers, by the name of the router, and the preferences."""
    from banditroute.evaluation import Candidate
    from banditroute.integrations.settings import RouterSettings

    settings = RouterSettings.read(file)
    return {settings.name: Candidate(settings.policy.build(), settings.build_controllers)}, settings.preferences
