"""A process on a disk whose power can be cut at any moment, many times over."""

import os
import random
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from banditroute.store.sql.store import SqlStore
from simulations.reliability.harness.child import PATIENCE, numbers
from tests.server import NotHere

PAGE = 4096
DATABASE = "victim.db"
# The index of the write-ahead log is shared memory, and gone after a power cut.
FILES = (DATABASE, f"{DATABASE}-wal")
_SOURCE = Path(__file__).with_name("shim.c")


def compiled_shim(place: Path, source: Path = _SOURCE) -> Path:
    """The library to preload, compiled for this machine.

    Raises:
        NotHere: without Linux or a C compiler.
    """
    compiler = next((found for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), None)
    if compiler is None or not sys.platform.startswith("linux"):
        raise NotHere("no C compiler" if compiler is None else "needs LD_PRELOAD and /proc, which only Linux has")
    library = place / f"{source.stem}.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-pthread", "-o", library, source], check=True)
    return library


@dataclass
class Disk:
    """What a running victim wrote, and what of it was synced.

    Attributes:
        written: Directory of its files, as the operating system would show them.
        synced: Directory of what was synced of them.
        acknowledged: Numbers acknowledged up to the last cut.
    """

    process: "subprocess.Popen[bytes]"
    acks: int
    written: Path
    synced: Path
    acknowledged: set[int] = field(default_factory=set)
    _received: bytes = b""

    def wait_for_life(self) -> None:
        """Until the victim acknowledges something new.

        Raises:
            TimeoutError: if it does not.
        """
        if not select.select([self.acks], [], [], PATIENCE)[0]:
            raise TimeoutError("the victim stored nothing")
        self._read()

    @contextmanager
    def cut(self) -> Iterator[None]:
        """Hold the victim still; what it acknowledged before is in ``acknowledged``, and not a byte more."""
        self.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.process.pid, os.WSTOPPED)
        self._read()
        yield
        self.process.send_signal(signal.SIGCONT)

    def _read(self) -> None:
        while select.select([self.acks], [], [], 0)[0]:
            chunk = os.read(self.acks, 1 << 16)
            if not chunk:
                raise TimeoutError("the victim ended by itself")
            self._received += chunk
        self.acknowledged = numbers(self._received)


@contextmanager
def running(place: Path, shim: Path, kind: type[SqlStore]) -> Iterator[Disk]:
    """A victim on such a disk, for as long as the block runs."""
    written, synced = place / "written", place / "synced"
    written.mkdir(parents=True)
    synced.mkdir()
    acks, write_end = os.pipe()
    environment = os.environ | {
        "LD_PRELOAD": str(shim),
        "FSYNC_WATCH": str(written.resolve()),
        "FSYNC_COPIES": str(synced.resolve()),
    }
    url = f"sqlite:///{written.resolve() / DATABASE}"
    command = [sys.executable, "-m", "simulations.reliability.harness.victim", url, str(write_end), kind.__name__]
    process = subprocess.Popen(command, env=environment, pass_fds=[write_end])
    os.close(write_end)
    try:
        yield Disk(process, acks, written, synced)
    finally:
        process.kill()
        process.wait(PATIENCE)
        os.close(acks)


def sleep_until(moment: float) -> None:
    """Let the victim live until then, by the monotonic clock."""
    time.sleep(max(moment - time.monotonic(), 0.0))


def synced_image(disk: Disk, place: Path) -> Path:
    """The database of a disk on which nothing is but what was synced."""
    place.mkdir()
    for name in FILES:
        if (disk.synced / name).exists():
            shutil.copyfile(disk.synced / name, place / name)
    return place / DATABASE


def torn_image(disk: Disk, place: Path, dice: random.Random) -> Path:
    """The database of a disk on which each page is either as it was synced or as it was last written."""
    place.mkdir()
    for name in FILES:
        old = (disk.synced / name).read_bytes() if (disk.synced / name).exists() else b""
        new = (disk.written / name).read_bytes() if (disk.written / name).exists() else b""
        length = max(len(old), dice.choice((len(old), len(new))))
        pages = (dice.choice((old, new))[at : at + PAGE] for at in range(0, length, PAGE))
        # A page that one of the two did not reach is full of zeros.
        torn = b"".join(page.ljust(PAGE, b"\0") for page in pages)[:length]
        (place / name).write_bytes(torn)
    return place / DATABASE
