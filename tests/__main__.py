"""The one command that runs every check: ``python -m tests``.

It has three lanes, each of which begins with the static checks and ends with pytest:

* ``--fast``: every test but those marked ``kills``, ``postgres`` or ``slow``; under two minutes on two cores.
* without an option: every test, as continuous integration runs them.
* ``--all``: every test, after the reliability study at the scale of its plan (about 20 minutes).
"""

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent

CHECKS = {
    "ruff check": ("-m", "ruff", "check", "."),
    "ruff format": ("-m", "ruff", "format", "--check", "."),
    "mypy": ("-m", "mypy"),
    "import-linter": ("-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"),
}
FAST = "not kills and not postgres and not slow"
MOST_PROCESSES = 8
"""Each starts a PostgreSQL server of its own."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the checks of one lane, the tests last, so that the output ends with pytest's count; 0 if all passed."""
    parser = argparse.ArgumentParser(prog="python -m tests", description=__doc__.partition("\n")[0])
    lanes = parser.add_mutually_exclusive_group()
    lanes.add_argument("--fast", action="store_true", help="without kills, PostgreSQL and long tests")
    lanes.add_argument("--all", action="store_true", help="with the reliability study at the scale of its plan")
    given = parser.parse_args(arguments)
    failed = [name for name, command in CHECKS.items() if not _passes(name, command)]
    print(f"\n{len(CHECKS) - len(failed)} of {len(CHECKS)} static checks passed", flush=True)
    if given.all and not _study_passes():
        failed.append("reliability study")
    if not _passes("pytest", ("-m", "pytest", *_in_parallel(), *(("-m", FAST) if given.fast else ()))):
        failed.append("pytest")
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _in_parallel() -> Sequence[str]:
    """Options of pytest-xdist, if it is installed; a process that is done takes tests over from the others."""
    if importlib.util.find_spec("xdist") is None:
        return ()
    return ("-n", "auto", f"--maxprocesses={MOST_PROCESSES}", "--dist=worksteal")


def _study_passes() -> bool:
    # The committed table is of a run on a quiet machine, and stays as it is.
    with tempfile.TemporaryDirectory() as place:
        table = Path(place, "RESULTS.md")
        return _passes("reliability study", ("-m", "simulations.reliability", "--results", str(table)))


def _passes(name: str, arguments: Sequence[str]) -> bool:
    print(f"\n── {name}", flush=True)
    # One thread of BLAS for each process: more would only get into each other's way.
    environment = {"OPENBLAS_NUM_THREADS": "1"} | os.environ
    start = time.monotonic()
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environment, check=False)
    if name != "pytest":
        passes = "passed" if done.returncode == 0 else "FAILED"
        print(f"{passes} in {time.monotonic() - start:.0f} s", flush=True)
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
