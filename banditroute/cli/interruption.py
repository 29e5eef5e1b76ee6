"""What a replay prints after Ctrl-C."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from banditroute.evaluation import Comparison

EXIT_INTERRUPTED = 130


def completed(run: "Callable[[], Comparison]", seeds: int) -> "tuple[Comparison, int]":
    """Run a replay of so many seeds; return its comparison and the exit code.

    After Ctrl-C they are the comparison of the seeds that are complete, and 130.
    """
    from banditroute.evaluation import ReplayInterrupted

    try:
        return run(), 0
    except ReplayInterrupted as interrupted:
        if interrupted.comparison is None:
            raise
        found = interrupted.comparison
        typer.echo(f"interrupted: these are the figures of {len(found.seeds)} of {seeds} seeds", err=True)
        return found, EXIT_INTERRUPTED
