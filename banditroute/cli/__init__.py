"""The command line; one file per command, named ``COMMAND_cmd.py``, and ``database.py`` for ``db``."""

import sys
from collections.abc import Sequence

from banditroute.errors import BanditRouteError

EXIT_REFUSED = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0, or 2 after one sentence on stderr that names the error."""
    try:
        from banditroute.cli.app import app
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich"):
            raise
        sys.stderr.write("banditroute: the command line needs typer and rich: pip install 'banditroute[cli]'\n")
        return EXIT_REFUSED
    try:
        app(args=None if arguments is None else list(arguments), prog_name="banditroute")
    except BanditRouteError as error:
        sys.stderr.write(f"banditroute: {error}\n")
        return EXIT_REFUSED
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 0
    return 0
