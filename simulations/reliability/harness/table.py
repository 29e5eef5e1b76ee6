"""The table: of results, as Markdown and as plain values."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from simulations.reliability.harness.row import Figures, Finding, Row

HEAD = ("id", "what is done", "asked for", "measured", "negative control", "its figures", "verdict", "s")


@dataclass(frozen=True, slots=True)
class Result:
    """One row after it was run.

    Attributes:
        finding: What it measured; None if it could not be run to its end.
        reason: Why not.
        seconds: How long it took.
        broke: Whether it ended by an error of its own.
    """

    row: Row
    finding: Finding | None
    reason: str
    seconds: float
    broke: bool = False

    @property
    def passed(self) -> bool:
        """Whether the library holds and the control was caught."""
        return self.finding is not None and self.finding.holds and self.finding.caught

    @property
    def verdict(self) -> str:
        """In one or two words."""
        if self.finding is None and not self.broke:
            return "not run"
        if self.finding is None or not self.finding.holds:
            return "FAILED"
        return "passed" if self.finding.caught else "control NOT caught"

    def plain(self) -> dict[str, Any]:
        """As values that JSON knows."""
        row, finding = self.row, self.finding
        return {
            "id": row.id,
            "does": row.does,
            "asks": row.asks,
            "measured": {} if finding is None else dict(finding.measured),
            "control": row.control,
            "control_measured": {} if finding is None else dict(finding.control),
            "passed": self.passed,
            "verdict": self.verdict,
            "reason": self.reason,
            "seconds": round(self.seconds, 1),
        }


def lines(results: Sequence[Result]) -> Iterator[str]:
    """The table as lines of Markdown, and how many rows passed."""
    yield _line(HEAD)
    yield "|---" * len(HEAD) + "|"
    for result in results:
        yield line(result)
    yield f"\n{sum(result.passed for result in results)} of {len(results)} rows passed."


def line(result: Result) -> str:
    """One row."""
    row, finding = result.row, result.finding
    measured, control = (
        (result.reason, "") if finding is None else (in_words(finding.measured), in_words(finding.control))
    )
    verdict = result.verdict if result.passed else f"**{result.verdict}**"
    cells = (row.id, row.does, row.asks, measured, row.control, control, verdict, f"{result.seconds:.0f}")
    return _line(cells)


def in_words(figures: Figures) -> str:
    """Figures as one phrase.

    >>> in_words({"acknowledged": 91618, "lost": 0, "relative error": 3.2104e-9, "kernel": "Haswell"})
    '91,618 acknowledged, 0 lost, 3.21e-09 relative error, kernel: Haswell'
    """
    return ", ".join(_phrase(name, value) for name, value in figures.items())


def _phrase(name: str, value: float | str) -> str:
    if isinstance(value, str):
        return f"{name}: {value}"
    return f"{value:,} {name}" if isinstance(value, int) else f"{value:.3g} {name}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
