"""Workers of the schema before beside workers of this one: right, or refused with a sentence."""

import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO

import pytest

from banditroute import Arm, Router
from banditroute.errors import SchemaVersionError
from banditroute.router.log_check import fold_of
from banditroute.store.maintenance.upgrade import upgrade
from banditroute.store.maintenance.verify import verify
from banditroute.testing.world import url

ROOT = Path(__file__).parent.parent.parent
BEFORE = "ee02f0a"
"""The last commit with schema 0001."""


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as it was at that commit."""
    command = ["git", "-C", str(ROOT), "archive", BEFORE, "banditroute"]
    try:
        archive = subprocess.run(command, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip(f"needs the git history with commit {BEFORE}")
    place = tmp_path_factory.mktemp("earlier")
    with tarfile.open(fileobj=BytesIO(archive)) as files:
        files.extractall(place, filter="data")
    return place


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    if request.param == "sqlite":
        return url(tmp_path / "svc.db")
    fresh: str = request.getfixturevalue("postgres_url")
    return fresh


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


def svc(store: str) -> Router:
    return Router("svc", arms=[Arm("a"), Arm("b")], store=store, seed=2)


def test_a_worker_that_was_open_during_the_upgrade_continues_beside_new_ones(earlier: Path, store: str) -> None:
    with old_worker(store, earlier) as old:
        assert old.ask("go") == "healthy 0"
        with pytest.raises(SchemaVersionError, match="banditroute db upgrade"):
            svc(store)
        upgrade(store)
        assert old.ask("go") == "healthy 0"
        with svc(store) as new:
            for number in range(50):
                new.feedback(new.route([number / 50, 0.1]).id, quality=0.25).wait(60)
            assert old.ask("go") == "healthy 0"
            new.sync()
            digest = old.ask("digest")
            new.sync()
            assert new.digest() == digest
            assert (new.health().n_decisions, new.health().n_feedback, new.health().lost) == (200, 200, 0)
            old.ask("end")
    assert not verify(store, fold_of)[0].findings


def test_a_worker_of_the_earlier_version_does_not_open_the_new_schema(earlier: Path, store: str) -> None:
    svc(store).close()
    done = subprocess.run(
        command(store), env=environment(earlier), input="", capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert done.stderr.strip().splitlines()[-1].startswith("banditroute.errors.SchemaVersionError: ")
