"""Which lines and branches tests run, and which test runs which line.

``python -m simulations.reliability.covering ASKED TOLD``: files of JSON, a :class:`Request`, an :class:`Answer`.
A program, since what is imported before it watches is not seen.
"""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Request:
    """What to run and where to look.

    Attributes:
        tests: Arguments of pytest.
        files: Of the package, from the root of the project.
        control: What the names of the tests of the control begin with.
    """

    tests: Sequence[str]
    files: Sequence[str]
    control: str


@dataclass(frozen=True, slots=True)
class Lines:
    """What was run of one file.

    Attributes:
        branches, statements: How many were taken, and how many there are.
        control: Branches that the tests of the control took.
        missing: Branches that nobody took, as (from, to) in lines; a negative one leaves the function.
        tests: Line → the tests that ran it.
    """

    branches: tuple[int, int]
    statements: tuple[int, int]
    control: int
    missing: Sequence[tuple[int, int]]
    tests: Mapping[int, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of it.

    Attributes:
        files: Of each, what was run.
        seconds: Test → how long it took, in the order in which they ran; of those that passed.
        failed: The others.
    """

    files: Mapping[str, Lines]
    seconds: Mapping[str, float]
    failed: Sequence[str]


def covered(place: Path, request: Request) -> Answer:
    """Run the tests in a process of their own, which leaves nothing outside ``place``."""
    asked, told = place / "request.json", place / "answer.json"
    asked.write_text(json.dumps(asdict(request)))
    program = [sys.executable, "-m", "simulations.reliability.covering", str(asked), str(told)]
    done = subprocess.run(program, cwd=ROOT, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if not told.exists():
        raise RuntimeError(f"the tests did not run: {done.stdout.decode(errors='replace')[-500:]}")
    found = json.loads(told.read_text())
    files = {
        name: Lines(**{**lines, "tests": {int(line): tests for line, tests in lines["tests"].items()}})
        for name, lines in found.pop("files").items()
    }
    return Answer(files=files, **found)


class Watch:
    """Tells coverage which test is on, whichever thread works for it."""

    def __init__(self, coverage: Any) -> None:
        self.seconds: dict[str, float] = {}
        self.failed: set[str] = set()
        self._coverage = coverage

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """One test."""
        self._coverage.switch_context(item.nodeid)
        began = time.monotonic()
        result = yield
        self.seconds[item.nodeid] = time.monotonic() - began
        self._coverage.switch_context("")
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """One that failed."""
        if report.failed:
            self.failed.add(report.nodeid)


def _main(asked: Path, told: Path) -> None:
    request = Request(**json.loads(asked.read_text()))
    # Not before: what is not installed with the library need not be there for the other rows.
    from coverage import Coverage

    data, include = asked.parent / "coverage", [str(ROOT / name) for name in request.files]
    coverage = Coverage(data, data_suffix=True, config_file=False, branch=True, include=include)
    # Forked children count too; those that are killed have no time to say what they ran.
    coverage.set_option("run:patch", ["_exit", "fork"])
    watch = Watch(coverage)
    with coverage.collect():
        pytest.main(["-q", "-p", "no:cacheprovider", *request.tests], plugins=[watch])
    coverage.save()
    coverage = Coverage(data, config_file=False, branch=True, include=include)
    coverage.combine()
    seconds = {name: seconds for name, seconds in watch.seconds.items() if name not in watch.failed}
    ours = [f"^{re.escape(name)}$" for name in seconds if name.startswith(request.control)]
    reports = [_report(coverage, asked.parent, contexts) for contexts in ([], ours)]
    files = {}
    for name in request.files:
        full, control = (report["files"][name] for report in reports)
        summary = full["summary"]
        files[name] = Lines(
            (summary["covered_branches"], summary["num_branches"]),
            (summary["covered_lines"], summary["num_statements"]),
            control["summary"]["covered_branches"],
            full["missing_branches"],
            {int(line): [test for test in tests if test] for line, tests in full["contexts"].items()},
        )
    told.write_text(json.dumps(asdict(Answer(files, seconds, sorted(watch.failed)))))


def _report(coverage: Any, place: Path, contexts: Sequence[str]) -> Any:
    out = place / "report.json"
    coverage.json_report(outfile=str(out), contexts=list(contexts), show_contexts=True)
    return json.loads(out.read_text())


if __name__ == "__main__":
    _main(*map(Path, sys.argv[1:]))
