"""Which lines and branches tests run, and which test runs which line.

``python -m simulations.reliability.harness.covering ASKED SHARE``: a :class:`Request` as JSON, and which of the
shares of the tests. A program, since what is imported before it watches is not seen.
"""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from coverage import Coverage

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True, slots=True)
class Request:
    """What to run and where to look.

    Attributes:
        tests: Arguments of pytest.
        files: Of the package, from the root of the project.
        shares: How many processes share the tests, a file after the other.
    """

    tests: Sequence[str]
    files: Sequence[str]
    shares: int


@dataclass(frozen=True, slots=True)
class Lines:
    """What was run of one file.

    Attributes:
        branches: How many were taken, and how many there are.
        control: How many the tests of the control took.
        tests: Line → the tests that ran it.
    """

    branches: tuple[int, int]
    control: int
    tests: Mapping[int, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of it.

    Attributes:
        files: Of each, what was run.
        seconds: Test → how long it took; of those that passed.
        failed: The others.
    """

    files: Mapping[str, Lines]
    seconds: Mapping[str, float]
    failed: Sequence[str]


def covered(place: Path, request: Request, *, control: str) -> Answer:
    """Run the tests in processes of their own, which leave nothing outside ``place``.

    Those whose names begin with ``control`` are also looked at alone.

    Raises:
        RuntimeError: if they could not be run.
    """
    asked = place / "asked.json"
    asked.write_text(json.dumps(asdict(request)))
    started = []
    for share in range(request.shares):
        program = [sys.executable, "-m", "simulations.reliability.harness.covering", str(asked), str(share)]
        with (place / f"covering-{share}.log").open("w") as log:
            started.append(subprocess.Popen(program, cwd=ROOT, stdout=log, stderr=log))
    seconds: dict[str, float] = {}
    failed: list[str] = []
    try:
        for share, process in enumerate(started):
            if code := process.wait():
                said = (place / f"covering-{share}.log").read_text(errors="replace")
                raise RuntimeError(f"the tests did not run to their end ({code}): {said[-500:]}")
            told = json.loads((place / f"told-{share}.json").read_text())
            seconds |= told["seconds"]
            failed += told["failed"]
    finally:
        for process in started:
            process.terminate()
            process.wait()
    coverage = _coverage(place, request)
    coverage.combine()
    ours = [f"^{re.escape(name)}$" for name in seconds if name.startswith(control)]
    every, alone = (_report(coverage, place, contexts) for contexts in ([], ours))
    files = {}
    for name in request.files:
        summary = every[name]["summary"]
        files[name] = Lines(
            (summary["covered_branches"], summary["num_branches"]),
            alone[name]["summary"]["covered_branches"],
            {int(line): [test for test in tests if test] for line, tests in every[name]["contexts"].items()},
        )
    return Answer(files, seconds, failed)


class Watch:
    """Runs one share of the tests, and tells coverage which of them is on, whichever thread works for it."""

    def __init__(self, coverage: "Coverage", share: int, shares: int) -> None:
        self.seconds: dict[str, float] = {}
        self.failed: set[str] = set()
        self._coverage = coverage
        self._share = share
        self._shares = shares

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leave the other shares alone."""
        paths = {path: number for number, path in enumerate(dict.fromkeys(item.path for item in items))}
        items[:] = [item for item in items if paths[item.path] % self._shares == self._share]

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


def _coverage(place: Path, request: Request, **settings: Any) -> "Coverage":
    # Not before: what is not installed with the library need not be there for the other rows.
    from coverage import Coverage

    include = [str(ROOT / name) for name in request.files]
    return Coverage(place / "coverage", config_file=False, branch=True, include=include, **settings)


def _report(coverage: "Coverage", place: Path, contexts: Sequence[str]) -> Mapping[str, Any]:
    out = place / "report.json"
    coverage.json_report(outfile=str(out), contexts=list(contexts), show_contexts=True)
    files: Mapping[str, Any] = json.loads(out.read_text())["files"]
    return files


def _main(asked: Path, share: int) -> int:
    request = Request(**json.loads(asked.read_text()))
    coverage = _coverage(asked.parent, request, data_suffix=True)
    # Forked children count too; those that are killed have no time to say what they ran.
    coverage.set_option("run:patch", ["_exit", "fork"])
    watch = Watch(coverage, share, request.shares)
    with coverage.collect():
        ended = pytest.main(["-q", "-p", "no:cacheprovider", *request.tests], plugins=[watch])
    coverage.save()
    seconds = {name: seconds for name, seconds in watch.seconds.items() if name not in watch.failed}
    told = json.dumps({"seconds": seconds, "failed": sorted(watch.failed)})
    (asked.parent / f"told-{share}.json").write_text(told)
    return 0 if ended in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) else 1


if __name__ == "__main__":
    sys.exit(_main(Path(sys.argv[1]), int(sys.argv[2])))
