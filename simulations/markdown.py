"""Tables and intervals in Markdown, for the reports of the studies."""

from collections.abc import Iterable

from banditroute.evaluation.metrics.interval import Interval


def table(head: Iterable[object], rows: Iterable[Iterable[object]]) -> list[str]:
    """A table in Markdown."""
    cells = [*head]
    return [
        "",
        f"| {' | '.join(map(str, cells))} |",
        f"|{'---|' * len(cells)}",
        *(f"| {' | '.join(map(str, row))} |" for row in rows),
        "",
    ]


def signed(interval: Interval) -> str:
    """An interval of differences."""
    return f"{interval.mean:+.4f} [{interval.low:+.4f}, {interval.high:+.4f}]"
