"""The disk of K4 counts every step, kills at the right one, and believes nothing that was not synced."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from simulations.reliability.harness.disk import compiled_shim
from simulations.reliability.harness.steps import NEVER, SOURCE, Disk, Step, steps_of
from tests.server import NotHere

WORK = """
import os, sys
from pathlib import Path
from simulations.reliability.harness.steps import Disk
disk = Disk(Path(sys.argv[1]), Path(sys.argv[2]))
die, halfway, pretend = map(int, sys.argv[3:])
disk.begin(die=die, halfway=halfway, pretend=pretend, lines=2)
file = os.open(disk.written / "a", os.O_RDWR | os.O_CREAT)
os.write(file, b"abcd")
os.fsync(file)
os.fsync(os.open(disk.written, os.O_RDONLY))
os.write(file, b"efgh")
os.rename(disk.written / "a", disk.written / "b")
"""
STEPS = [Step("w", "a"), Step("s", "a"), Step("s", "."), Step("w", "a"), Step("r", "a")]
LAST = len(STEPS)


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        return compiled_shim(tmp_path_factory.mktemp("shim"), SOURCE)
    except NotHere as missing:
        pytest.skip(str(missing))


def files(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


@pytest.mark.kills
@pytest.mark.parametrize(
    ("how", "steps", "written", "synced"),
    [
        ((NEVER, 0, NEVER), LAST, {"b": b"abcdefgh"}, {"a": b"abcd"}),
        ((NEVER, 0, 2), LAST, {"b": b"abcdefgh"}, {"a": b""}),
        ((NEVER, 0, 3), LAST, {"b": b"abcdefgh"}, {}),
        ((1, 0, NEVER), 1, {"a": b""}, {}),
        ((3, 0, NEVER), 3, {"a": b"abcd"}, {}),
        ((4, 0, NEVER), 4, {"a": b"abcd"}, {"a": b"abcd"}),
        ((4, 1, NEVER), 4, {"a": b"abcdef"}, {"a": b"abcd"}),
        ((5, 0, NEVER), 5, {"a": b"abcdefgh"}, {"a": b"abcd"}),
    ],
    ids=str,
)
def test_what_is_written_and_what_is_synced(
    shim: Path,
    tmp_path: Path,
    how: tuple[int, int, int],
    steps: int,
    written: dict[str, bytes],
    synced: dict[str, bytes],
) -> None:
    (tmp_path / "empty").mkdir()
    disk = Disk.of(tmp_path / "empty", tmp_path)
    command = [sys.executable, "-c", WORK, str(disk.written), str(disk.copies), *map(str, how)]
    done = subprocess.run(command, env=os.environ | {"LD_PRELOAD": str(shim)}, stderr=subprocess.PIPE, check=False)
    assert done.returncode == (0 if how[0] == NEVER else -signal.SIGKILL)
    assert steps_of(done.stderr.decode()) == STEPS[:steps]
    assert files(disk.written) == written
    assert files(disk.after_cut(tmp_path / "synced")) == synced
    torn = files(disk.torn(tmp_path / "torn", random.Random(1)))
    assert torn.keys() <= written.keys() | synced.keys()
