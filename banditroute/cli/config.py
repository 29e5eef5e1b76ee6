"""``banditroute config``: check a configuration, and print the JSON schema of all keys."""

import json
from pathlib import Path
from typing import Annotated

import typer

config = typer.Typer(help="Check a configuration file, or print its schema.", no_args_is_help=True)


@config.command()
def check(
    file: Annotated[Path | None, typer.Argument(help="TOML or YAML; without one, only BANDITROUTE_*.")] = None,
) -> None:
    """Read a configuration, open its router in memory, and print what it describes; the store is not opened."""
    from banditroute.integrations.settings import RouterSettings

    settings = RouterSettings.read(file)
    settings.check()
    arms, objectives = ([each.name for each in part] for part in (settings.arms, settings.objectives))
    typer.echo(f"router {settings.name!r}: OK")
    typer.echo(f"arms: {', '.join(arms)}")
    typer.echo(f"objectives: {', '.join(objectives)}")
    typer.echo(f"policy: {settings.policy.build()!r}")
    typer.echo(f"controllers: {', '.join(each.kind for each in settings.controllers) or 'none'}")


@config.command()
def schema() -> None:
    """Print the JSON schema of a configuration, for editors and other programs."""
    from banditroute.integrations.settings import RouterSettings

    typer.echo(json.dumps(RouterSettings.model_json_schema(), indent=2))
