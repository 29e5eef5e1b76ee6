"""Runs tests against mutations: a program that has all tests at hand, and tries each fault in a child of its own.

``python -m simulations.reliability.harness.mutating ASKED TOLD TESTS...``: a file of trials as JSON, a descriptor
for a line about each, and arguments of pytest. A fault is put into functions that are there: nothing is imported
again.
"""

import gc
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from types import FunctionType
from typing import TypeAlias

import pytest

from simulations.reliability.harness.covering import ROOT
from simulations.reliability.harness.mutations import Mutation, inside, mutated
from tests.server import WANTED

SURVIVED, KILLED, OUT_OF_TIME = "survived", "killed", "out of time"
NOT_MADE = 2
MEMORY = 4 << 30

Key: TypeAlias = tuple[str, int, str]
"""File, first line and name of a function."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One fault, and what is to notice it.

    Attributes:
        mutation: None to change nothing, which no test may notice.
        tests: Run one after the other until one fails.
        limit: How long they may take [s]; what takes longer was noticed.
        asserting: Whether assertions that fail count, and not errors alone.
    """

    mutation: Mutation | None
    tests: Sequence[str]
    limit: float
    asserting: bool = True


def tried(
    place: Path, trials: Sequence[Trial], tests: Sequence[str], *, postgres: str, processes: int
) -> Iterator[tuple[int, str]]:
    """Which ended, and how, as they end.

    Raises:
        RuntimeError: if one could not be made.
    """
    told, tell = os.pipe()
    started, missing = [], set(range(len(trials)))
    for first in range(min(processes, len(trials))):
        asked = place / f"trials-{first}.json"
        asked.write_text(json.dumps({n: asdict(trials[n]) for n in range(first, len(trials), processes)}))
        program = [sys.executable, "-m", "simulations.reliability.harness.mutating", str(asked), str(tell), *tests]
        environment = {**os.environ, WANTED: postgres}
        with asked.with_suffix(".log").open("w") as log:
            started.append(
                subprocess.Popen(program, cwd=ROOT, env=environment, pass_fds=[tell], stdout=log, stderr=log)
            )
    os.close(tell)
    try:
        with open(told) as lines:  # noqa: PTH123  (a descriptor)
            for line in lines:
                number, ending = json.loads(line)
                missing.discard(number)
                yield number, ending
    finally:
        for process in started:
            process.terminate()
            process.wait()
    if missing:
        logs = [path.read_text(errors="replace")[-500:] for path in sorted(place.glob("trials-*.log"))]
        raise RuntimeError(f"{len(missing)} of {len(trials)} trials were not made: {' '.join(logs)}")


class Trials:
    """A plugin of pytest that makes them in place of a run."""

    def __init__(self, trials: Mapping[int, Trial], tell: int) -> None:
        self._trials = trials
        self._tell = tell
        self._asserting = True

    def pytest_configure(self) -> None:
        """Random examples are the same each time, and none is made smaller."""
        from hypothesis import HealthCheck, Phase, settings

        settings.register_profile(
            "trials",
            database=None,
            deadline=None,
            derandomize=True,
            phases=[Phase.explicit, Phase.generate],
            report_multiple_bugs=False,
            suppress_health_check=[HealthCheck.too_slow],
        )
        settings.load_profile("trials")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """All of them."""
        if session.testsfailed:
            raise session.Interrupted(f"{session.testsfailed} files could not be read")
        items = {item.nodeid: item for item in session.items}
        functions = _functions()
        # Children share what they do not touch.
        gc.freeze()
        for number, trial in self._trials.items():
            tests = [items[name] for name in trial.tests]
            child = os.fork()
            if child == 0:
                os._exit(self._survives(trial, tests, functions))
            if (ending := _ending(child, trial.limit)) is not None:
                os.write(self._tell, json.dumps([number, ending]).encode() + b"\n")
        return True

    def pytest_runtest_makereport(self, call: pytest.CallInfo[None]) -> None:
        """The first failure tells enough."""
        error = call.excinfo and call.excinfo.value
        if error is None or isinstance(error, pytest.skip.Exception):
            return
        if self._asserting or not isinstance(error, AssertionError | pytest.fail.Exception):
            os._exit(1)

    def _survives(
        self, trial: Trial, tests: Sequence[pytest.Item], functions: Mapping[Key, Sequence[FunctionType]]
    ) -> int:
        # What it starts is to end with it, and it ends by itself if no process is left to end it.
        os.setsid()
        resource.setrlimit(resource.RLIMIT_CPU, (int(trial.limit) + 1, int(trial.limit) + 1))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):
            os.dup2(nowhere, descriptor)
        if trial.mutation is not None:
            try:
                outer = mutated(ROOT, trial.mutation)
                # Those inside it may have been made when the module was imported.
                for code in (outer, *inside(outer)):
                    for function in functions.get((code.co_filename, code.co_firstlineno, code.co_name), ()):
                        function.__code__ = code
            except Exception:  # noqa: BLE001  (a fault of ours, and none that a test noticed)
                return NOT_MADE
        self._asserting = trial.asserting
        for test, following in pairwise([*tests, None]):
            assert test is not None
            test.config.hook.pytest_runtest_protocol(item=test, nextitem=following)
        return 0


def _functions() -> Mapping[Key, Sequence[FunctionType]]:
    found: dict[Key, list[FunctionType]] = {}
    for thing in gc.get_objects():
        if isinstance(thing, FunctionType):
            code = thing.__code__
            found.setdefault((code.co_filename, code.co_firstlineno, code.co_name), []).append(thing)
    return found


def _ending(child: int, limit: float) -> str | None:
    """How a child ended; None if its trial could not be made."""
    until, ended, status = time.monotonic() + limit, 0, 0
    while not ended and time.monotonic() < until:
        time.sleep(0.005)
        ended, status = os.waitpid(child, os.WNOHANG)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    if not ended:
        os.waitpid(child, 0)
        return OUT_OF_TIME
    code = os.waitstatus_to_exitcode(status)
    return None if code == NOT_MADE else SURVIVED if code == 0 else KILLED


def _main(asked: Path, tell: int, tests: Sequence[str]) -> None:
    trials = {}
    for number, trial in json.loads(asked.read_text()).items():
        fault = trial.pop("mutation")
        trials[int(number)] = Trial(fault and Mutation(**fault), **trial)
    quiet = ["-q", "-s", "-p", "no:cacheprovider", "-o", "tmp_path_retention_policy=none"]
    pytest.main([*quiet, f"--basetemp={asked.with_suffix('')}", *tests], plugins=[Trials(trials, tell)])


if __name__ == "__main__":
    _main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
