"""The command line; one file per command, named ``COMMAND_cmd.py``, and ``database.py`` for ``db``."""

import codecs
import io
import sys
from collections.abc import Sequence

from banditroute.errors import BanditRouteError

EXIT_REFUSED = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0, or 2 after one sentence on stderr that names the error."""
    _replace_unknown_characters()
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


def _replace_unknown_characters() -> None:
    """Print ASCII in place of characters that the encoding of the terminal lacks."""
    codecs.register_error("banditroute", _in_ascii)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="banditroute")


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(_ASCII.get(character, "?") for character in text), error.end


_ASCII = {"─": "-", "±": "+-", "…": "...", "−": "-", "×": "x", "→": "->", "≥": ">=", "≤": "<=", "λ": "lambda"}
