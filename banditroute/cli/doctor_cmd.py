"""``banditroute doctor``: what could lose or spoil a log."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

SICK = 1


def doctor(
    url: Annotated[str, typer.Argument(help="Such as sqlite:///routing.db.", show_default=False)],
    spool: Annotated[Path | None, typer.Option(help="The spool directory, if the routers were given one.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Look for what could lose or spoil a log: versions, settings, clocks, checksums, spools. Reads only.

    The exit code is 1 if there is an error.
    """
    from banditroute.store.maintenance.doctor import diagnose

    findings = diagnose(url, spool=spool)
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in findings], indent=2))
    for each in () if as_json else findings:
        advice = f"\n         {each.advice}" if each.advice else ""
        typer.echo(f"{each.level:8} {each.says}{advice}")
    if any(each.level == "error" for each in findings):
        raise typer.Exit(SICK)
