"""A process is killed while it spools: what it acknowledged is in the file."""

import os
import random
import signal
import struct
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from banditroute.store.spool.file import Spool

pytestmark = [pytest.mark.kills, pytest.mark.skipif(sys.platform == "win32", reason="needs fork and SIGKILL")]

KILLS = 40
NUMBER = struct.Struct("<q")

# One process that forks the victims, so that a kill costs no import. A victim appends groups of numbers, and tells
# a pipe the last number of each group that is on stable storage.
VICTIMS = """
import os, signal, struct, sys
from pathlib import Path
from banditroute.store.spool.file import Spool

NUMBER = struct.Struct("<q")

class TellsTooEarly(Spool):
    "The mistake: frames are kept in memory, and written when there are many."
    kept = []
    def append(self, payloads):
        self.kept += payloads
        if len(self.kept) > 50:
            super().append(self.kept)
            self.kept = []

def live(kind, path):
    spool = kind(Path(path))
    number = 0
    while True:
        group = range(number + 1, number + 2 + number % 5)
        spool.append([NUMBER.pack(n) + bytes(n % 3000) for n in group])
        number = group[-1]
        os.write(1, NUMBER.pack(number))

kind = {"right": Spool, "wrong": TellsTooEarly}[sys.argv[1]]
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        live(kind, line.strip())
    os.write(2, b"%d\\n" % child)
    os.waitpid(child, 0)
    os.write(2, b"dead\\n")
"""


def survivors(tmp_path: Path, kind: str) -> Generator[tuple[int, list[int]], None, None]:
    """Kill one victim after the other; the last acknowledged number, and the numbers in its file."""
    moments = random.Random(20261122)
    parent = subprocess.Popen(
        [sys.executable, "-c", VICTIMS, kind],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
    )
    assert parent.stdin
    assert parent.stdout
    assert parent.stderr
    told = os.fdopen(os.dup(parent.stderr.fileno()), "r")
    try:
        for kill in range(KILLS):
            path = tmp_path / f"{kill}.spool"
            parent.stdin.write(f"{path}\n".encode())
            child = int(told.readline())
            received = b""
            for _ in range(moments.randrange(1, 25)):
                received += os.read(parent.stdout.fileno(), NUMBER.size)
            os.kill(child, signal.SIGKILL)
            assert told.readline() == "dead\n"
            os.set_blocking(parent.stdout.fileno(), False)
            while chunk := parent.stdout.read(1 << 16):
                received += chunk
            os.set_blocking(parent.stdout.fileno(), True)
            (last,) = NUMBER.unpack(received[-NUMBER.size :])
            spool = Spool(path)
            numbers = [NUMBER.unpack_from(payload)[0] for payload in spool.peek(10**6, size=10**9)]
            spool.close()
            yield last, numbers
    finally:
        parent.stdin.close()
        parent.wait(30)
        told.close()
        parent.stdout.close()
        parent.stderr.close()


def test_what_was_acknowledged_is_there(tmp_path: Path) -> None:
    kills = 0
    for last, numbers in survivors(tmp_path, "right"):
        assert numbers == list(range(1, len(numbers) + 1))
        assert len(numbers) >= last > 0
        kills += 1
    assert kills == KILLS


def test_acknowledging_before_the_write_is_caught(tmp_path: Path) -> None:
    """The negative control: the test above must be able to fail."""
    victims = survivors(tmp_path, "wrong")
    assert any(len(numbers) < last for last, numbers in victims)
    victims.close()
