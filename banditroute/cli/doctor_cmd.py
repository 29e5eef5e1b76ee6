"""``banditroute doctor``: checks for conditions that could lose or corrupt the log."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from banditroute.cli.targets import ConfigOption, UrlArgument, target

ERROR_EXIT = 1


def doctor(
    url: UrlArgument = None,
    config: ConfigOption = None,
    spool: Annotated[Path | None, typer.Option(help="Spool directory, if the routers have spool= set.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Check for conditions that could lose or corrupt the log. Reads only.

    Checks versions, settings, clocks, checksums and spools.

    The exit code is 1 if a finding is an error.
    """
    from banditroute.store.maintenance.doctor import diagnose

    wanted = target(url, config)
    findings = diagnose(wanted.url, spool=spool or wanted.spool)
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in findings], indent=2))
    for each in () if as_json else findings:
        advice = f"\n         {each.advice}" if each.advice else ""
        typer.echo(f"{each.level:8} {each.says}{advice}")
    if any(each.level == "error" for each in findings):
        raise typer.Exit(ERROR_EXIT)
