"""``banditroute status``: which routers a store holds, and how they stand."""

import json
from dataclasses import asdict
from typing import Annotated

import typer


def status(
    url: Annotated[str, typer.Argument(help="Of the store, such as sqlite:///routing.db.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Show the routers in a store: traffic, feedback, arms and preferences. Reads only."""
    from banditroute.store.views import routers

    found = routers(url)
    if as_json:
        typer.echo(json.dumps([asdict(router) for router in found], indent=2, allow_nan=False))
    else:
        typer.echo("\n\n".join(map(str, found)) or "the store holds no router")
