"""Tables and intervals, as the report prints them."""

from collections.abc import Iterable, Sequence

from banditroute.simulator.interval import Interval


def table(head: Sequence[object], rows: Iterable[Iterable[object]]) -> list[str]:
    """A table in Markdown."""
    return [
        "",
        f"| {' | '.join(map(str, head))} |",
        f"|{'---|' * len(head)}",
        *(f"| {' | '.join(map(str, r))} |" for r in rows),
    ]


def signed(interval: Interval) -> str:
    """An interval of differences."""
    return f"{interval.mean:+.4f} [{interval.low:+.4f}, {interval.high:+.4f}]"
