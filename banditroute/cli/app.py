"""The Typer application with all commands."""

from typing import Annotated

import typer

from banditroute.cli.config import config
from banditroute.cli.database import db
from banditroute.cli.demo_cmd import demo
from banditroute.cli.doctor_cmd import doctor
from banditroute.cli.replay_cmd import replay
from banditroute.cli.status_cmd import status
from banditroute.cli.why_cmd import why

app = typer.Typer(
    help="Choose a model per request, learn from late feedback, evaluate policies by replay.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"banditroute {version('banditroute')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


app.command()(demo)
app.command()(replay)
app.command()(status)
app.command()(why)
app.command()(doctor)
app.add_typer(db, name="db")
app.add_typer(config, name="config")
