"""D3: spool files that are cut, flipped, copied, and wanted by two processes."""

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from banditroute.core.log import FeedbackRecord
from banditroute.errors import SpoolCorruptError, StoreUnavailableError
from banditroute.store.spool.codec import encoded
from banditroute.store.spool.directory import Spools as Directory
from banditroute.store.spool.file import FRAME, HEADER, Spool
from banditroute.store.sql.store import SqlStore
from banditroute.testing import SPEC, a_decision, feedback_of
from simulations.reliability.harness.child import Child
from simulations.reliability.harness.quiet import quiet
from simulations.reliability.harness.row import Finding, Tick
from simulations.reliability.harness.victim import ACK, opened

LATER = b"later"
MASKS = (0x01, 0x80)


def hold(acks: int, path: Path) -> None:
    """Try to take a spool: says 1 if it did, 2 if it belongs to somebody else."""
    try:
        Spool(path).abandon()
        os.write(acks, ACK.pack(1))
    except StoreUnavailableError:
        os.write(acks, ACK.pack(2))


@dataclass(frozen=True, slots=True)
class Spools:
    """A spool of so many records."""

    id: ClassVar[str] = "D3"
    does: ClassVar[str] = "spool file cut at every byte, every byte flipped, copied, wanted by two processes"
    asks: ClassVar[str] = "0 wrong recoveries, appending afterwards works, a copy counts once, one owner"
    control: ClassVar[str] = "lines of JSON: cut and appended to, they cannot be read any more"

    records: int = 4

    @quiet()
    def measure(self, place: Path, tick: Tick) -> Finding:
        """Cut, flip, copy, share."""
        payloads = [encoded(a_decision(number)) for number in range(1, self.records + 1)]
        path = place / "0.spool"
        _append(path, payloads)
        whole = path.read_bytes()
        ends = [len(HEADER)]
        for payload in payloads:
            ends.append(ends[-1] + FRAME.size + len(payload))
        wrong = 0
        for cut in range(len(whole) + 1):
            wrong += not _right(path, whole[:cut], [payloads[: sum(end <= cut for end in ends[1:])]])
            tick(cut, 3 * len(whole))
        # What a flip leaves is what stands before it: less than all, and nothing else.
        prefixes = [payloads[:count] for count in range(len(payloads))]
        flips = 0
        for at in range(len(whole)):
            for mask in MASKS:
                flipped = bytearray(whole)
                flipped[at] ^= mask
                flips += 1
                wrong += not _right(path, bytes(flipped), prefixes, header=at < len(HEADER))
            tick(len(whole) + 2 * at, 3 * len(whole))
        figures: dict[str, float | str] = {
            "cuts": len(whole) + 1,
            "flips": flips,
            "wrong recoveries": wrong,
            "learned twice from a copy": self._copied(place / "copied"),
            "owners beside the first": self._shared(place / "shared.spool"),
        }
        poisoned, cuts = _lines_of_json(place / "lines")
        holds = not (wrong or figures["learned twice from a copy"] or figures["owners beside the first"])
        return Finding(figures, holds, {"cuts": cuts, "that poison it": poisoned}, poisoned > cuts / 2)

    def _copied(self, place: Path) -> int:
        """Replay a spool and a copy of it into a database; how much is there twice, or not at all."""
        spools = Directory(place / "spool", tenant=SPEC.tenant, router=SPEC.name)
        spool = spools.new()
        for number in range(1, self.records + 1):
            decision = a_decision(number)
            spool.append([encoded(decision), encoded(feedback_of(decision, number))])
        spool.close()
        (original,) = (place / "spool").glob("*.spool")
        copy = original.with_name(original.name.replace(original.stem[-4:], "ffff"))
        shutil.copyfile(original, copy)
        for _ in range(2):
            store = SqlStore(f"sqlite:///{place}/routing.db", spool=place / "spool")
            opened(store)
            store.flush()
            feedback = [record.decision_key for record in store.events() if isinstance(record, FeedbackRecord)]
            store.close()
        bodies = [a_decision(number).decision_key for number in range(1, self.records + 1)]
        return abs(len(feedback) - len(set(feedback))) + len(set(feedback) ^ set(bodies))

    def _shared(self, path: Path) -> int:
        """Whether another process may take a spool that has an owner, and may not take one that has none."""
        spool = Spool(path)
        spool.append([LATER])
        (owned,) = Child.start(hold, path).acknowledged_until_dead(kill_after=None)
        spool.close()
        (free,) = Child.start(hold, path).acknowledged_until_dead(kill_after=None)
        return int(owned != 2) + int(free != 1)


def _right(path: Path, damaged: bytes, expected: Sequence[Sequence[bytes]], *, header: bool = False) -> bool:
    """Whether a damaged file gives what it may, and goes on; or, with a broken header, is refused as it is."""
    path.write_bytes(damaged)
    if header:
        try:
            Spool(path).abandon()
        except SpoolCorruptError:
            return path.read_bytes() == damaged
        return False
    found = _held(path)
    _append(path, [LATER])
    return found in expected and _held(path) == [*found, LATER]


def _held(path: Path) -> list[bytes]:
    spool = Spool(path)
    payloads = spool.peek(1_000)
    spool.abandon()
    return payloads


def _append(path: Path, payloads: list[bytes]) -> None:
    spool = Spool(path)
    spool.append(payloads)
    spool.abandon()


def _lines_of_json(path: Path) -> tuple[int, int]:
    """A journal of lines, cut at every byte and appended to: how often it cannot be read, of how many cuts."""
    whole = "".join(json.dumps(word) + "\n" for word in ("one", "two", "three"))
    poisoned = 0
    for cut in range(len(whole) + 1):
        path.write_text(whole[:cut] + json.dumps("later") + "\n")
        try:
            for line in path.read_text().splitlines():
                json.loads(line)
        except json.JSONDecodeError:
            poisoned += 1
    return poisoned, len(whole) + 1
