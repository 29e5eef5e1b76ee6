"""The spool file, cut, flipped, copied and shared (D3)."""

import errno
import json
import os
import stat
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from banditroute.errors import SpoolCorruptError, StoreError, StoreUnavailableError
from banditroute.store.spool.file import FRAME, HEADER, PAYLOAD_BYTES, Spool
from banditroute.store.spool.lock import try_lock

PAYLOADS = [b"", b"one", b"\xb5rec" * 3, bytes(range(40)), b"five"]
LATER = [b"later"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "0.spool"


@pytest.fixture
def whole(path: Path) -> bytes:
    """The bytes of a spool that holds :data:`PAYLOADS`, and is closed."""
    spool = Spool(path)
    for payload in PAYLOADS:
        spool.append([payload])
    spool.close()
    return path.read_bytes()


def held(path: Path) -> list[bytes]:
    """What waits in the file; leaves it as it is."""
    spool = Spool(path)
    payloads = spool.peek(1000)
    assert len(payloads) == spool.waiting
    spool.abandon()
    return payloads


def append(path: Path, payloads: list[bytes]) -> None:
    spool = Spool(path)
    spool.append(payloads)
    spool.abandon()


def test_payloads_leave_in_the_order_in_which_they_came(path: Path) -> None:
    spool = Spool(path)
    spool.append([b"a", b"b"])
    spool.append([b"c"])
    assert spool.peek(2) == [b"a", b"b"] == spool.peek(2)
    spool.drop([b"a", b"b"])
    spool.append([b"d"])
    assert (spool.peek(9), spool.waiting) == ([b"c", b"d"], 2)
    assert spool.peek(9, size=1) == [b"c"]
    spool.drop([b"c", b"d"])
    assert (spool.peek(9), spool.waiting, path.stat().st_size) == ([], 0, len(HEADER))
    spool.append([b"e"])
    assert spool.peek(9) == [b"e"]
    spool.abandon()


def test_what_left_in_memory_only_is_there_for_the_next_owner(path: Path) -> None:
    spool = Spool(path)
    spool.append([b"a", b"b"])
    spool.drop([b"a"])
    spool.close()
    assert held(path) == [b"a", b"b"]


def test_closing_removes_the_file_when_nothing_waits(path: Path) -> None:
    spool = Spool(path)
    spool.close()
    spool.close()
    assert not path.exists()
    with pytest.raises(StoreUnavailableError, match=r"spool '0.spool' is closed"):
        spool.append([b"a"])


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions")
def test_only_the_owner_may_read_it(path: Path) -> None:
    before = os.umask(0)
    try:
        append(path, [b"secret"])
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_each_group_is_on_stable_storage(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(path)
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.fstat(fd).st_size))
    spool.append([b"a", b"b"])
    spool.append([b"c"])
    assert synced == [len(HEADER) + 2 * (FRAME.size + 1), len(HEADER) + 3 * (FRAME.size + 1)]
    spool.abandon()


# ------------------------------------------------------------------------------------------------ cut and flipped


PREFIXES = [PAYLOADS[:count] for count in range(len(PAYLOADS) + 1)]


def test_a_file_cut_at_any_byte_keeps_what_is_whole_and_goes_on(path: Path, whole: bytes) -> None:
    ends = [len(HEADER)]
    for payload in PAYLOADS:
        ends.append(ends[-1] + FRAME.size + len(payload))
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        expected = PAYLOADS[: sum(end <= cut for end in ends[1:])]
        assert held(path) == expected
        append(path, LATER)
        assert held(path) == expected + LATER


def test_a_flipped_byte_never_gives_what_was_not_written(path: Path, whole: bytes) -> None:
    for place in range(len(whole)):
        for mask in (0x01, 0x80):
            flipped = bytearray(whole)
            flipped[place] ^= mask
            path.write_bytes(flipped)
            if place < len(HEADER):
                with pytest.raises(SpoolCorruptError, match=r"'0.spool' is not a spool of this version"):
                    Spool(path)
                assert path.read_bytes() == flipped
                continue
            found = held(path)
            assert found in PREFIXES[:-1]
            append(path, LATER)
            assert held(path) == found + LATER


def test_garbage_behind_the_end_is_cut_off(path: Path, whole: bytes) -> None:
    for garbage in (bytes(4096), b"\xb5rec" + b"\xff" * 8, whole):
        path.write_bytes(whole + garbage)
        append(path, LATER)
        assert held(path) == PAYLOADS + LATER


def test_a_wrong_length_is_checked_before_it_is_used(path: Path, whole: bytes) -> None:
    """Even where the file is as long as it says, no more is read than a payload may be long."""
    path.write_bytes(whole + FRAME.pack(b"\xb5rec", 2 * PAYLOAD_BYTES, 0))
    os.truncate(path, 3 * PAYLOAD_BYTES)
    tracemalloc.start()
    assert held(path) == PAYLOADS
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < PAYLOAD_BYTES
    assert path.stat().st_size == len(whole)


class JsonLines:
    """The negative control: a journal that is a line of JSON for each record."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, payload: str) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps(payload) + "\n")

    def read(self) -> list[str]:
        return [json.loads(line) for line in self.path.read_text().splitlines()]


def test_lines_of_json_do_not_survive_a_cut(path: Path) -> None:
    """The tests above must be able to fail: an append after the cut poisons such a journal for ever."""
    journal = JsonLines(path)
    for payload in ("one", "two"):
        journal.append(payload)
    whole = path.read_text()
    poisoned = 0
    for cut in range(len(whole) + 1):
        path.write_text(whole[:cut])
        journal.append("later")
        try:
            journal.read()
        except json.JSONDecodeError:
            poisoned += 1
    assert poisoned > len(whole) / 2


# ---------------------------------------------------------------------------------------------- limits and faults


def test_beyond_the_limit_nothing_is_written(path: Path) -> None:
    limit = len(HEADER) + 2 * (FRAME.size + 4)
    spool = Spool(path, limit_bytes=limit)
    spool.append([b"1234"])
    with pytest.raises(StoreUnavailableError) as refusal:
        spool.append([b"5678", b""])
    assert refusal.value.code == "store.full"
    spool.append([b"5678"])
    assert (spool.size, path.stat().st_size, spool.peek(9)) == (limit, limit, [b"1234", b"5678"])
    spool.abandon()


def test_the_limit_is_reported_in_the_words_of_the_interface(path: Path) -> None:
    spool = Spool(path)
    # Private: as if 256 MiB had been written.
    spool._end = spool.limit_bytes
    with pytest.raises(StoreUnavailableError) as refusal:
        spool.append([b""])
    assert str(refusal.value) == "database unavailable and feedback buffer full (256 MiB); feedback not recorded"
    spool.abandon()


def test_a_payload_longer_than_can_be_read_back_is_refused(path: Path) -> None:
    spool = Spool(path)
    with pytest.raises(StoreError, match=r"a record of 16777217 bytes is longer than 16777216"):
        spool.append([b"a", bytes(PAYLOAD_BYTES + 1)])
    spool.append([bytes(PAYLOAD_BYTES)])
    assert spool.waiting == 1
    spool.abandon()


@pytest.mark.parametrize(
    ("number", "code", "sentence"),
    [
        (errno.ENOSPC, "store.full", r"feedback buffer full \(No space left on device\); feedback not recorded"),
        (errno.EIO, "store.unavailable", r"spool not written \(Input/output error\); feedback not recorded"),
    ],
)
def test_what_the_disk_refused_does_not_come_back(
    path: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: str, sentence: str
) -> None:
    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number))

    spool = Spool(path)
    spool.append([b"kept"])
    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", fail)
        with pytest.raises(StoreUnavailableError, match=sentence) as refusal:
            spool.append([b"refused"])
    assert refusal.value.code == code
    spool.abandon()
    assert held(path) == [b"kept"]


def test_a_file_that_is_damaged_while_it_is_open_is_noticed(path: Path) -> None:
    spool = Spool(path)
    spool.append([b"one", b"two"])
    os.truncate(path, spool.size - 1)
    assert spool.peek(9) == [b"one"]
    spool.drop([b"one"])
    with pytest.raises(SpoolCorruptError, match=r"spool '0.spool' was damaged at byte 23"):
        spool.peek(9)
    spool.set_aside()
    assert [file.name for file in path.parent.iterdir()] == ["0.damaged"]


def test_a_directory_is_no_spool(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailableError, match=r"cannot be opened \(Is a directory\)"):
        Spool(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="needs symbolic links")
def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """Nobody who can write to the directory makes us truncate a file elsewhere."""
    target, link = tmp_path / "target", tmp_path / "0.spool"
    target.write_bytes(b"x")
    link.symlink_to(target)
    with pytest.raises(StoreUnavailableError, match="cannot be opened"):
        Spool(link)
    assert target.read_bytes() == b"x"


# ------------------------------------------------------------------------------------------------ one owner

TRY = """
import sys
from pathlib import Path
from banditroute.errors import StoreUnavailableError
from banditroute.store.spool.file import Spool
try:
    print(Spool(Path(sys.argv[1])).waiting)
except StoreUnavailableError as error:
    print(error)
"""


def in_another_process(path: Path) -> str:
    done = subprocess.run([sys.executable, "-c", TRY, str(path)], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_two_processes_never_share_one(path: Path) -> None:
    spool = Spool(path)
    spool.append([b"mine"])
    assert in_another_process(path) == "spool '0.spool' belongs to another process"
    with pytest.raises(StoreUnavailableError, match="belongs to another process"):
        Spool(path)
    spool.append([b"still mine"])
    spool.close()
    assert in_another_process(path) == "2"


FORK = """
import os, sys
from pathlib import Path
from banditroute.errors import StoreUnavailableError
from banditroute.store.spool.file import Spool
path = Path(sys.argv[1])
spool = Spool(path)
spool.append([b"a"])
ready, gone = os.pipe(), os.pipe()
child = os.fork()
if child == 0:
    if sys.argv[2] == "abandon":
        spool.abandon()
    os.write(ready[1], b".")
    os.read(gone[0], 1)
    os._exit(0)
os.read(ready[0], 1)
try:
    Spool(path)
    print("shared")
except StoreUnavailableError:
    print("locked")
spool.close()
try:
    print(Spool(path).waiting)
except StoreUnavailableError:
    print("locked")
os.write(gone[1], b".")
os.waitpid(child, 0)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork")
@pytest.mark.parametrize(("manner", "said"), [("abandon", ["locked", "1"]), ("keep", ["locked", "locked"])])
def test_a_forked_child_leaves_the_file_to_its_parent(path: Path, manner: str, said: list[str]) -> None:
    """The second is the control: a child that keeps the descriptor keeps the lock."""
    done = subprocess.run(
        [sys.executable, "-c", FORK, str(path), manner], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == said


def test_a_file_removed_between_opening_and_locking_is_not_taken(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last owner, done with it, removed it in that moment: what is written there would be gone."""

    def remove(fd: int) -> bool:
        path.unlink()
        return try_lock(fd)

    monkeypatch.setattr("banditroute.store.spool.file.try_lock", remove)
    with pytest.raises(StoreUnavailableError, match="belongs to another process"):
        Spool(path)


@pytest.fixture(autouse=True)
def _nothing_stays_open() -> Iterator[None]:
    """A descriptor that is left to the collector is a warning, hence an error; this says where."""
    import gc

    yield
    gc.collect()


def test_what_is_acknowledged_is_synced_and_so_is_the_name_of_the_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.fstat(fd).st_ino))
    spool = Spool(path)
    file, directory = path.stat().st_ino, path.parent.stat().st_ino
    assert synced[-2:] == [file, directory]
    synced.clear()
    spool.append([b"one"])
    assert synced == [file]
    spool.abandon()


def test_a_file_that_cannot_be_locked_is_no_file_of_another() -> None:
    closed = os.dup(0)
    os.close(closed)
    with pytest.raises(OSError, match="Bad file descriptor"):
        try_lock(closed)


def test_a_closed_file_is_not_used(path: Path) -> None:
    spool = Spool(path)
    spool.append([b"one"])
    spool.close()
    for use in (lambda: spool.peek(1), lambda: spool.drop([b"one"]), lambda: spool.append([b"two"])):
        with pytest.raises(StoreUnavailableError, match="is closed"):
            use()
