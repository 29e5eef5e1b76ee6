"""Runs the plan, prints the table and writes RESULTS.md; the README says how to read it."""

import argparse
import json
import platform
import sqlite3
import sys
import tempfile
import time
from collections.abc import Collection, Sequence
from pathlib import Path

from banditroute.cli.progress import progress_bar
from simulations.reliability.harness.row import Row
from simulations.reliability.harness.table import HEAD, Result, line, lines
from simulations.reliability.plan import NIGHTLY, PLAN
from simulations.speed.machine import version_of
from tests.server import NotHere

HERE = Path(__file__).parent
DISTRIBUTIONS = ("banditroute", "numpy", "scipy", "sqlalchemy")


def chosen(plan: Sequence[Row], nightly: Sequence[Row], *, only: Collection[str], long: bool) -> list[Row]:
    """The rows to run: those of the plan, in their nightly form and with those of the night alone if ``long``.

    Raises:
        SystemExit: if ``only`` names a row that is not there.
    """
    night = {row.id: row for row in nightly} if long else {}
    rows = [night.get(row.id, row) for row in plan]
    rows += [row for row in night.values() if row not in rows]
    unknown = sorted(set(only) - {row.id for row in rows})
    if unknown:
        raise SystemExit(f"no row {', '.join(unknown)}; there are: {', '.join(row.id for row in rows)}")
    return [row for row in rows if not only or row.id in only]


def run(row: Row) -> Result:
    """Measure one row in a directory of its own; a row that breaks is a row that failed."""
    began = time.monotonic()
    finding, reason, broke = None, "", False
    with tempfile.TemporaryDirectory(prefix=f"reliability-{row.id}-") as place, progress_bar(row.id) as tick:
        try:
            finding = row.measure(Path(place), tick)
        except NotHere as missing:
            reason = str(missing)
        except Exception as error:  # noqa: BLE001  (the other rows are still to be run)
            reason, broke = f"{type(error).__name__}: {error}", True
    return Result(row, finding, " ".join(reason.split()), time.monotonic() - began, broke)


def report(results: Sequence[Result], *, command: str) -> str:
    """What goes into RESULTS.md."""
    versions = ", ".join(f"{name} {version_of(name)}" for name in DISTRIBUTIONS)
    python = f"{platform.python_implementation()} {platform.python_version()}"
    head = f"Written by `{command}`. {python}, {platform.system()}; {versions}, SQLite {sqlite3.sqlite_version}."
    return "\n".join(["# Reliability\n", f"{head}\n", *lines(results)]) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; 0 if every row passed."""
    parser = argparse.ArgumentParser(prog="python -m simulations.reliability", description=__doc__)
    parser.add_argument("--only", default="", metavar="K1,N2", help="run these rows; then no file is written")
    parser.add_argument("--long", action="store_true", help="run the nightly forms")
    parser.add_argument("--json", action="store_true", help="print JSON instead of Markdown")
    parser.add_argument("--results", type=Path, help="where to write the table; by default beside this program")
    given = parser.parse_args(arguments)
    only = [name.strip() for name in given.only.split(",") if name.strip()]
    results = []
    rows = chosen(PLAN, NIGHTLY, only=only, long=given.long)
    if not given.json:
        print(f"| {' | '.join(HEAD)} |", flush=True)
    for row in rows:
        results.append(run(row))
        if not given.json:
            print(line(results[-1]), flush=True)
    if given.json:
        print(json.dumps([result.plain() for result in results], indent=2, ensure_ascii=False))
    name = "RESULTS-long.md" if given.long else "RESULTS.md"
    target = given.results or (None if only else HERE / name)
    if target is not None:
        command = "python -m simulations.reliability" + " --long" * given.long
        target.write_text(report(results, command=command), encoding="utf-8")
    passed = sum(result.passed for result in results)
    print(f"{passed} of {len(results)} rows passed", file=sys.stderr)
    return 0 if passed == len(results) else 1
