"""The package as it was with the schema before, and a worker of it in a process of its own."""

import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO

from tests.server import NotHere

ROOT = Path(__file__).parent.parent.parent
BEFORE = "ee02f0a"
"""The last commit with schema 0001."""


def earlier_version(place: Path) -> Path:
    """Unpack the package as it was with the schema before; return its directory.

    Raises:
        NotHere: without the git history.
    """
    command = ["git", "-C", str(ROOT), "archive", BEFORE, "banditroute"]
    try:
        archive = subprocess.run(command, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        raise NotHere(f"no git history with commit {BEFORE}") from None
    with tarfile.open(fileobj=BytesIO(archive)) as files:
        files.extractall(place, filter="data")
    return place


class OldWorker:
    """A worker of the earlier version."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._in: IO[str] = process.stdin
        self._out: IO[str] = process.stdout
        assert self.answer() == "ready"

    def answer(self) -> str:
        return self._out.readline().strip()

    def ask(self, command: str) -> str:
        self._in.write(f"{command}\n")
        self._in.flush()
        return "" if command == "end" else self.answer()


def command(store: str) -> list[str]:
    return [sys.executable, str(Path(__file__).parent / "old_worker.py"), store]


def environment(earlier: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(earlier), "PYTHONSAFEPATH": "1"}


@contextmanager
def old_worker(store: str, earlier: Path) -> Iterator[OldWorker]:
    with subprocess.Popen(
        command(store), env=environment(earlier), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield OldWorker(process)
