"""O1: what the tests run, and what they would notice, of the store, of what checks input, and of the codecs."""

import os
import random
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import chain, zip_longest
from pathlib import Path
from typing import ClassVar

from simulations.reliability.harness.covering import ROOT, Answer, Request, covered
from simulations.reliability.harness.mutating import OUT_OF_TIME, SURVIVED, Trial, tried
from simulations.reliability.harness.mutations import Mutation, mutations
from simulations.reliability.harness.row import Finding, Tick
from tests.server import found_server

CODEC = (
    "banditroute/store/sql/encode.py",
    "banditroute/store/sql/decode.py",
    "banditroute/store/spool/codec.py",
    "banditroute/learning/sums/codec.py",
    "banditroute/learning/sums/table.py",
    "banditroute/router/state/snapshot.py",
    "banditroute/core/decision.py",
    "banditroute/core/explanation.py",
    "banditroute/core/log.py",
    "banditroute/core/prediction.py",
    "banditroute/core/receipt.py",
    "banditroute/core/request.py",
    "banditroute/core/revisions.py",
    "banditroute/core/situation.py",
    "banditroute/core/spec.py",
)
VALIDATION = (
    "banditroute/core/arms.py",
    "banditroute/core/arrays.py",
    "banditroute/core/ids.py",
    "banditroute/core/objectives.py",
    "banditroute/core/outcomes.py",
    "banditroute/features/space.py",
    "banditroute/core/windows.py",
    "banditroute/core/validation.py",
    "banditroute/store/semantics/limits.py",
    "banditroute/store/databases/url.py",
)
STORE = tuple(
    name
    for path in sorted(ROOT.glob("banditroute/store/**/*.py"))
    if path.stat().st_size and (name := str(path.relative_to(ROOT))) not in CODEC + VALIDATION
)

PARTS: Mapping[str, Sequence[str]] = {"store": STORE, "validation": VALIDATION, "codec": CODEC}

TESTS = (
    "tests/store",
    "tests/core",
    "tests/learning/posterior/test_group.py",
    "tests/learning/sums/test_codec.py",
    "tests/learning/sums/test_exact.py",
    "tests/learning/sums/test_fold.py",
    "tests/learning/sums/test_table.py",
    "tests/reliability/test_kill.py",
    "tests/features/test_space.py",
    "tests/cli/test_database.py",
    "tests/router/test_bad_input.py",
    "tests/router/test_barrier.py",
    "tests/router/test_choice.py",
    "tests/router/test_feedback.py",
    "tests/router/test_fork.py",
    "tests/router/test_open_windows.py",
    "tests/router/test_requests.py",
    "tests/router/test_resolution.py",
    "tests/router/test_router.py",
    "tests/router/state",
    *CODEC,
    *VALIDATION,
    *(name for name in STORE if "migrations" not in name),
)
"""Those that concern the three parts, with the examples in them; not those that take minutes."""

NOT_MUTATED = "banditroute/store/schema/migrations/"
"""What Alembic reads by itself; what it makes is compared with the tables as a whole."""

PATIENCE = 60.0
"""How long the tests of a fault may take beyond five times what they took before [s]."""


@dataclass(frozen=True, slots=True)
class Suite:
    """Branches that tests take, and small faults that they notice.

    Attributes:
        parts: Name → files of the package.
        tests: Arguments of pytest.
        faults: How many are drawn, from the files in proportion to what each allows.
        seconds: Of the tests that run its line, how much each fault meets, by what they took without it [s].
        again: How many are tried once more, where failed assertions do not count.
        unchanged: How many times tests run with no fault at all.
        least_branches, least_noticed: Shares, of each part.
        must_miss: Whether too few must be noticed without assertions.
        control_tests: What the names of those begin with that are known to take too few branches.
    """

    id: ClassVar[str] = "O1"
    does: ClassVar[str] = (
        "tests of the store, of what checks input and of the codecs; small faults in these, a sample"
    )
    asks: ClassVar[str] = "of each ≥ 95 % of branches taken, ≥ 85 % of faults noticed; no false alarm"
    control: ClassVar[str] = "the tests of URLs alone; the same faults, where failed assertions do not count"

    parts: Mapping[str, Sequence[str]] = field(default_factory=lambda: PARTS)
    tests: Sequence[str] = TESTS
    faults: int = 300
    seconds: float = 60.0
    again: int = 60
    unchanged: int = 10
    least_branches: float = 0.95
    least_noticed: float = 0.85
    must_miss: bool = True
    control_tests: str = "tests/store/databases/test_url.py"
    processes: int = os.cpu_count() or 1
    seed: int = 14

    def measure(self, place: Path, tick: Tick) -> Finding:
        """Run the tests once to see what they run, then some of them for each fault."""
        files = list(chain.from_iterable(self.parts.values()))
        answer = covered(place, Request(self.tests, files, self.processes), control=self.control_tests)
        faults = self._drawn(files)
        trials = [self._trial(answer, fault) for fault in faults]
        again = random.Random(self.seed).sample(trials, min(self.again, len(trials)))  # noqa: S311
        unfair = [replace(trial, asserting=False) for trial in again]
        idle = [replace(trial, mutation=None) for trial in again[: self.unchanged]]
        ends = self._ends(place, [trials, unfair, idle], tick)
        ours = dict(zip(faults, ends[0], strict=True))
        alarms = len(idle) - ends[2].count(SURVIVED)
        branches = {part: _taken(answer, names) for part, names in self.parts.items()}
        noticed = {
            part: _noticed([end for fault, end in ours.items() if fault.file in names])
            for part, names in self.parts.items()
        }
        unasserted, few = _noticed(ends[1]), _taken(answer, files, control=True)
        return Finding(
            {
                **{f"% of branches in {part}": 100 * share for part, share in branches.items()},
                "faults": len(faults),
                **{f"% noticed in {part}": 100 * share for part, share in noticed.items()},
                "% in all": 100 * _noticed(ends[0]),
                "by time": ends[0].count(OUT_OF_TIME),
                "false alarms": alarms,
                "failing tests": ", ".join(answer.failed) or "none",
                "not noticed": "; ".join(str(fault) for fault, end in ours.items() if end == SURVIVED) or "none",
            },
            not alarms
            and not answer.failed
            and min(branches.values()) >= self.least_branches
            and min(noticed.values()) >= self.least_noticed,
            {"% of branches": 100 * few, "faults": len(again), "% noticed": 100 * unasserted},
            few < self.least_branches and (unasserted < self.least_noticed or not self.must_miss),
        )

    def _drawn(self, files: Sequence[str]) -> list[Mutation]:
        """Every so many-th of all that there are: so each file has its part."""
        allowed = [fault for file in files if not file.startswith(NOT_MUTATED) for fault in mutations(ROOT, file)]
        step = len(allowed) / self.faults
        start = random.Random(self.seed).uniform(0, step)  # noqa: S311
        return [allowed[int(start + step * number)] for number in range(self.faults)]

    def _trial(self, answer: Answer, fault: Mutation) -> Trial:
        """The quickest test of each file, then the second of each, until time is over."""
        runs = answer.files[fault.file].tests
        names = {name for line in range(fault.lines[0], fault.lines[1] + 1) for name in runs.get(line, ())}
        by_file: dict[str, list[str]] = {}
        for name in sorted(names & answer.seconds.keys(), key=lambda name: answer.seconds[name]):
            by_file.setdefault(name.partition("::")[0], []).append(name)
        tests, seconds = [], 0.0
        for name in filter(None, chain.from_iterable(zip_longest(*by_file.values()))):
            if seconds + answer.seconds[name] <= self.seconds:
                tests.append(name)
                seconds += answer.seconds[name]
        return Trial(fault, tests, PATIENCE + 5 * seconds)

    def _ends(self, place: Path, kinds: Sequence[Sequence[Trial]], tick: Tick) -> list[list[str]]:
        every = list(chain.from_iterable(kinds))
        ends = [""] * len(every)
        with closing(found_server()) as server:
            url = server.url.render_as_string(hide_password=False)
            trying = tried(place, every, self.tests, postgres=url, processes=self.processes)
            for done, (number, end) in enumerate(trying, 1):
                ends[number] = end
                tick(done, len(every))
        rest = iter(ends)
        return [[next(rest) for _ in kind] for kind in kinds]


def _taken(answer: Answer, files: Iterable[str], *, control: bool = False) -> float:
    """The share of branches."""
    found = [answer.files[file] for file in files]
    taken = sum(lines.control if control else lines.branches[0] for lines in found)
    return taken / sum(lines.branches[1] for lines in found)


def _noticed(ends: Sequence[str]) -> float:
    """The share that did not survive; of none, all."""
    return 1 - ends.count(SURVIVED) / max(len(ends), 1)
