"""The command: what it runs, what it says, and when it is content."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from simulations.reliability import run as program
from simulations.reliability.harness.row import Finding, Row, Tick
from simulations.reliability.harness.table import HEAD, line, lines
from simulations.reliability.run import chosen, run
from tests.server import NotHere


@dataclass(frozen=True, slots=True)
class Toy:
    """A row that says what it was told."""

    id: ClassVar[str] = "T1"
    does: ClassVar[str] = "count | add"
    asks: ClassVar[str] = "2"
    control: ClassVar[str] = "3"

    holds: bool = True
    caught: bool = True
    error: Exception | None = None

    def measure(self, place: Path, tick: Tick) -> Finding:
        assert list(place.iterdir()) == []
        (place / "file").touch()
        tick(1, 1)
        if self.error is not None:
            raise self.error
        return Finding({"found": 2}, self.holds, {"found": 1234567}, self.caught)


@dataclass(frozen=True, slots=True)
class Other(Toy):
    id: ClassVar[str] = "T2"


class Soak(Toy):
    id: ClassVar[str] = "L1"


@pytest.mark.parametrize(
    ("row", "verdict", "words"),
    [
        (Toy(), "passed", "2 found"),
        (Toy(holds=False), "FAILED", "2 found"),
        (Toy(caught=False), "control NOT caught", "1,234,567 found"),
        (Toy(error=NotHere("no compiler")), "not run", "no compiler"),
        (Toy(error=RuntimeError("two\nlines")), "FAILED", "RuntimeError: two lines"),
    ],
)
def test_verdicts(row: Toy, verdict: str, words: str) -> None:
    result = run(row)
    assert result.verdict == verdict
    assert result.passed == (verdict == "passed")
    assert words in line(result)
    assert verdict in line(result)
    assert json.loads(json.dumps(result.plain()))["verdict"] == verdict


def test_the_table_is_markdown() -> None:
    head, rule, row, count = lines([run(Toy())])
    assert rule.count("|") == head.count("|") == len(HEAD) + 1
    # A bar in a cell is no border.
    assert row.count("|") - row.count("\\|") == len(HEAD) + 1
    assert count == "\n1 of 1 rows passed."


def test_what_is_run() -> None:
    plan, night = (Toy(), Other()), (Other(holds=False), Soak())

    def ids(only: Sequence[str], *, long: bool) -> list[tuple[str, bool]]:
        return [(row.id, row.holds) for row in chosen(plan, night, only=only, long=long) if isinstance(row, Toy)]

    assert ids([], long=False) == [("T1", True), ("T2", True)]
    assert ids(["T2"], long=False) == [("T2", True)]
    assert ids([], long=True) == [("T1", True), ("T2", False), ("L1", True)]
    assert ids(["L1"], long=True) == [("L1", True)]
    with pytest.raises(SystemExit, match="no row L1; there are: T1, T2"):
        ids(["L1"], long=False)


def _of(monkeypatch: pytest.MonkeyPatch, *rows: Row) -> None:
    monkeypatch.setattr(program, "PLAN", rows)
    monkeypatch.setattr(program, "NIGHTLY", ())


def test_the_whole_plan_is_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _of(monkeypatch, Toy(), Other(holds=False))
    monkeypatch.setattr(program, "HERE", tmp_path)
    assert program.main(["--only", "T1"]) == 0
    assert list(tmp_path.iterdir()) == []
    assert program.main([]) == 1
    assert program.main(["--long"]) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["RESULTS-long.md", "RESULTS.md"]
    written = (tmp_path / "RESULTS.md").read_text("utf-8")
    assert "1 of 2 rows passed." in written
    assert written.startswith("# Reliability\n\nWritten by `python -m simulations.reliability`.")
    # Nobody watches: no bar.
    assert "1 of 1 rows passed" in capsys.readouterr().err.splitlines()[0]


def test_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    _of(monkeypatch, Toy())
    assert program.main(["--json", "--results", str(tmp_path / "table.md")]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["id"], row["passed"], row["measured"], row["control_measured"]) == (
        "T1", True, {"found": 2}, {"found": 1234567},
    )  # fmt: skip
    assert (tmp_path / "table.md").exists()
