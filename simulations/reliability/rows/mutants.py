"""F2: bytes that were tampered with are refused, quickly and in little memory."""

import hashlib
import io
import random
import re
import resource
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from banditroute import LinUCB
from banditroute.core.ids import DecisionIds
from banditroute.core.log import Position, SnapshotRecord, StateKey
from banditroute.errors import BanditRouteError, InvalidDecisionIdError, SnapshotCorruptError, SpoolCorruptError
from banditroute.learning import SumsTable, decode
from banditroute.learning.sums.wide import WideIntegers
from banditroute.router.state.snapshot import encode
from banditroute.router.state.state import State
from banditroute.store.spool.codec import decoded, encoded
from banditroute.store.spool.file import Spool
from banditroute.testing import a_decision, engine_of, feedback_of, ridge_model_of
from banditroute.testing.world import SECRET, World
from simulations.reliability.harness.quiet import quiet
from simulations.reliability.harness.row import Finding, Tick

MOST_MB = 50.0
CLAIMED = (200_000, 200_000)


@dataclass(frozen=True, slots=True)
class Target:
    """Something that reads bytes from outside.

    Attributes:
        name: Of it.
        good: Bytes that it accepts.
        read: Reads bytes; what it returns does not matter.
        refuses: The error that it may raise.
        digest: Gives bytes the checksum that belongs to them, as anybody can.
        sealed: Share of the mutants that are sealed again; these may be read, if what they say is possible.
        crafted: Bytes with a right checksum that say what cannot be; read once each.
        weight: How many of the mutants it gets, relative to the others.
    """

    name: str
    good: bytes
    read: Callable[[bytes], object]
    refuses: type[BanditRouteError] = SnapshotCorruptError
    digest: Callable[[bytes], bytes] = lambda blob: resealed(blob)
    sealed: float = 0.5
    crafted: tuple[bytes, ...] = ()
    weight: int = 1


def targets(place: Path) -> tuple[Target, ...]:
    """Everything that reads ids or stored bytes; what is read from files lies in ``place``."""
    world = World()
    router = world.open()
    for number in range(200):
        world.step(router, number)
    state, model = engine_of(router).state, ridge_model_of(router)
    ids = DecisionIds([SECRET], "", "world")
    sums = next(iter(model.table.blobs().values()))

    def restored(blob: bytes) -> None:
        fresh = State(router.objectives, LinUCB(ridge=3.0))
        for name in router.arms:
            fresh.arms.put(state.arms.record(name))
        fresh.fix_dimension(router.spec)
        fresh.restore(SnapshotRecord(Position(*state.position), blob, 0))

    return (
        Target(
            "decision id",
            world.ids[7].encode(),
            lambda text: ids.key(text.decode("latin-1")),
            refuses=InvalidDecisionIdError,
            sealed=0.0,
            weight=5,
        ),
        Target("sums", sums, decode),
        Target("table", model.table.encode(), SumsTable.decode),
        Target("snapshot", state.snapshot(now_us=0).blob, restored, crafted=tuple(_impossible(state)), weight=3),
        *_of_a_spool(place),
    )


def _of_a_spool(place: Path) -> Iterator[Target]:
    """A spool file, of which only what stands before the damage may come back; and a record in a sound frame."""
    path = place / "0.spool"
    decision = a_decision(1)
    payloads = [encoded(decision), encoded(feedback_of(decision, 1)), encoded(a_decision(2))]
    spool = Spool(path)
    spool.append(payloads)
    spool.abandon()
    good = path.read_bytes()

    def recovered(blob: bytes) -> None:
        path.write_bytes(blob)
        spool = Spool(path)
        found = spool.peek(len(payloads) + 1)
        spool.abandon()
        if blob != good and found == payloads[: len(found)]:
            raise SpoolCorruptError("only what stands before the damage")

    yield Target("spool", good, recovered, refuses=SpoolCorruptError, sealed=0.0)
    for payload in payloads[:2]:
        yield Target("record", payload, decoded, refuses=SpoolCorruptError, digest=bytes, sealed=1.0)


def _impossible(state: State) -> Iterator[bytes]:
    """Snapshots whose checksum is right."""
    sums = b"" if state.model is None else state.model.state()[1]
    plays: Any
    for plays in (None, 7, ["a"], [None], [-1], [2**70], [[1]], [1.5], [True], [{}], [1] * 10_000):
        yield encode({"plays": plays, "controllers": {}}, sums)
    controllers: Any
    for controllers in (None, [], {"cache": {}}, "x"):
        yield encode({"plays": [], "controllers": controllers}, sums)
    yield from (encode({"plays": [], "controllers": {}}, sums) for sums in _of_no_rows(state))
    facts = encode({}, b"")[8:-32]
    for text in (
        b"",
        b"[1]",
        b"null",
        b"7",
        b"NaN",
        b"{",
        b"[" * 100_000,
        b"\xff",
        b'{"plays": ' + b"9" * 5000 + b"}",
    ):
        yield resealed(b"brs1" + struct.pack("<I", len(text)) + text + sums + bytes(32))
        yield resealed(b"brs1" + struct.pack("<I", 2**32 - 1) + text + facts + bytes(32))


def _of_no_rows(state: State) -> Iterator[bytes]:
    """Encoded tables that say what no rows can have."""
    assert state.model is not None
    for part in ("n", "gram", "cross", "squares"):
        table = SumsTable.decode(state.model.state()[1])
        key = table.keys[0]
        wrong = table.totals(key.arm, key.group)
        value = getattr(wrong, part)
        if isinstance(value, WideIntegers):
            setattr(wrong, part, WideIntegers.of(value.narrow() * -(2**20)))
        else:
            setattr(wrong, part, value * -(2**20))
        table.put(StateKey(key.arm, key.group, key.epoch + 1), wrong)
        yield table.encode()


@dataclass(slots=True)
class Read:
    """What came of the mutants."""

    refused: int = 0
    sealed_and_read: int = 0
    accepted: Counter[str] = field(default_factory=Counter)
    crashed: Counter[str] = field(default_factory=Counter)
    longest_ms: float = 0.0
    grown_mb: float = 0.0
    numpy_asks_gib: float = 0.0


@dataclass(frozen=True, slots=True)
class Mutants:
    """So many mutants of ids and stored bytes, read by a process of their own."""

    id: ClassVar[str] = "F2"
    does: ClassVar[str] = (
        "mutated decision ids, sums, snapshots and spools, many of the stored ones with a right checksum"
    )
    asks: ClassVar[str] = "0 accepted, 0 crashes, each < 10 ms of processor time, < 50 MB of memory"
    control: ClassVar[str] = "`np.load(…, allow_pickle=False)` of 128 bytes asks for 298 GiB"

    mutants: int = 20_000
    longest_ms: float = 10.0
    seed: int = 31

    def measure(self, place: Path, tick: Tick) -> Finding:
        """Read them where nothing was read before."""
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
            found = alone.submit(read_mutants, place, self.mutants, self.seed).result()
        tick(self.mutants, self.mutants)
        measured: dict[str, float | str] = {
            "refused": found.refused,
            "sealed anew and read as what they say": found.sealed_and_read,
            "accepted": found.accepted.total(),
            "crashes": found.crashed.total(),
            "ms at most": found.longest_ms,
            "MB more": found.grown_mb,
        }
        measured |= {f"× {name}": count for name, count in (found.accepted + found.crashed).most_common(5)}
        holds = (
            not found.accepted
            and not found.crashed
            and found.longest_ms < self.longest_ms
            and found.grown_mb < MOST_MB
        )
        return Finding(measured, holds, {"GiB": found.numpy_asks_gib}, found.numpy_asks_gib > 200)


@quiet()
def read_mutants(place: Path, count: int, seed: int) -> Read:
    """Mutate and read; runs in the child."""
    dice, found = random.Random(seed), Read()  # noqa: S311  (no secrets)
    readers = [target for target in targets(place) for _ in range(target.weight)]
    for target in readers:
        target.read(target.good)
    before = _peak_mb()
    for _ in range(count):
        target = dice.choice(readers)
        mutant = mutated(target.good, dice)
        if sealed := dice.random() < target.sealed:
            mutant = target.digest(mutant)
        if mutant != target.good:
            _read(found, target, mutant, sealed=sealed)
    for target in {target.name: target for target in readers}.values():
        for crafted in target.crafted:
            _read(found, target, crafted, sealed=False)
    found.grown_mb = _peak_mb() - before
    found.numpy_asks_gib = _asked_by_numpy()
    return found


def _read(found: Read, target: Target, mutant: bytes, *, sealed: bool) -> None:
    began = time.thread_time()
    try:
        target.read(mutant)
    except target.refuses:
        found.refused += 1
    except Exception as error:  # noqa: BLE001  (which is what is looked for)
        found.crashed[f"{target.name}: {type(error).__name__}"] += 1
    else:
        if sealed:
            found.sealed_and_read += 1
        else:
            found.accepted[target.name] += 1
    found.longest_ms = max(found.longest_ms, 1e3 * (time.thread_time() - began))


def mutated(good: bytes, dice: random.Random) -> bytes:
    """One to three changes: bits flipped, bytes replaced, cut, doubled, moved, or added."""
    mutant = bytearray(good)
    for _ in range(dice.randint(1, 3)):
        at, size = dice.randrange(len(mutant) + 1), dice.choice((1, 1, 2, 4, 8, 32))
        part = bytes(mutant[at : at + size])
        match dice.choice((0, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6)):
            case 0 if part:
                mutant[at] ^= 1 << dice.randrange(8)
            case 1:
                mutant[at : at + size] = dice.randbytes(size)
            case 2:
                mutant[at : at + size] = dice.choice((b"\xff", b"\0", b"\x7f", b"A", b"=")) * size
            case 3:
                del mutant[at : at + size]
            case 4:
                mutant[at:at] = part
            case 5:
                del mutant[at:]
            case _:
                mutant[dice.randrange(len(mutant) + 1) :] += dice.randbytes(size)
        if not mutant:
            mutant = bytearray(1)
    return bytes(mutant)


def resealed(blob: bytes) -> bytes:
    """The same with the checksum that belongs to it."""
    return blob[:-32] + hashlib.sha256(blob[:-32]).digest()


def _peak_mb() -> float:
    # Linux counts in KiB, macOS in bytes.
    unit = 1.0 if sys.platform == "darwin" else 1024.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def _asked_by_numpy() -> float:
    """How many GiB numpy wants for a file of 128 bytes that claims to be large."""
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {CLAIMED}, }}".ljust(117) + "\n"
    small = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    # A system that promises more memory than it has would give it.
    resource.setrlimit(resource.RLIMIT_AS, (2**36, hard))
    try:
        np.load(io.BytesIO(small), allow_pickle=False)
    except MemoryError as error:
        wanted = re.search(r"([\d.]+) GiB", str(error))
        return float(wanted[1]) if wanted else 0.0
    except ValueError:
        return 0.0
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    return 0.0
