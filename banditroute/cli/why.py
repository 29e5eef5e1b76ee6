"""``banditroute why``: how one decision came about."""

import json
from typing import Annotated

import typer


def why(
    url: Annotated[str, typer.Argument(help="Of the store, such as sqlite:///routing.db.", show_default=False)],
    decision_id: Annotated[str, typer.Argument(help="What route() gave.", show_default=False)],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Explain a decision: what was expected of each arm, its probability, and what came of it. Reads only."""
    from banditroute.store.views import explanation

    found = explanation(url, decision_id)
    typer.echo(json.dumps(found.to_dict(), indent=2, allow_nan=False) if as_json else str(found))
