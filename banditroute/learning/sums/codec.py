"""Encodes sums as bytes: a fixed layout sealed by a checksum; lengths are checked before decoding.

A sealed blob is ``magic (4) | version (2) | payload | SHA-256 of all before (32)``, little-endian. Decoding
executes nothing, and compares every length with the number of bytes present before it uses that length.

Version 1 holds Σ y xᵀ and Σ y² as int64, version 2 as two int64 each. Version 2 is written only where version 1
cannot hold the sums, so that equal sums have equal bytes, and earlier releases read what they can hold.
"""

import hashlib
import struct
from collections.abc import Iterable

import numpy as np

from banditroute.core.arrays import IntArray
from banditroute.core.objectives import MAX_OBJECTIVES
from banditroute.errors import SnapshotCorruptError
from banditroute.learning.sums.exact import MAX_DIMENSION, ExactSums
from banditroute.learning.sums.wide import WideIntegers

_MAGIC = b"BRxs"
NARROW, WIDE = 1, 2
"""Versions of sums, and of tables of sums."""

_SEAL = struct.Struct("<4sH")
_SHAPE = struct.Struct("<IHq")
_DIGEST_SIZE = 32
_INTEGER = np.dtype("<i8")


def encode(sums: ExactSums) -> bytes:
    """Return the bytes of sums; equal sums have equal bytes."""
    version = version_of([sums])
    return seal(_MAGIC, version, *pack_sums(sums, version))


def decode(blob: bytes) -> ExactSums:
    """Return the sums that :func:`encode` wrote.

    Raises:
        SnapshotCorruptError: if the bytes are anything else.
    """
    version, payload = unseal(_MAGIC, blob)
    reader = Reader(payload)
    sums = unpack_sums(reader, version)
    reader.finish()
    return sums


def version_of(sums: Iterable[ExactSums]) -> int:
    """Return the version that holds all of these sums."""
    return NARROW if all(each.cross.is_narrow and each.squares.is_narrow for each in sums) else WIDE


def pack_sums(sums: ExactSums, version: int) -> list[bytes]:
    """Return the payload of sums in parts, without a seal."""
    shape = _SHAPE.pack(sums.dimension, sums.outcomes, sums.n)
    arrays = [sums.gram]
    for part in (sums.cross, sums.squares):
        arrays += [part.narrow()] if version == NARROW else [part.high, part.low]
    return [shape, *(part.astype(_INTEGER, copy=False).tobytes() for part in arrays)]


def unpack_sums(reader: "Reader", version: int) -> ExactSums:
    """Read sums; raises SnapshotCorruptError if their shape is impossible or bytes are missing."""
    dimension, outcomes, n = reader.unpack(_SHAPE)
    if not (1 <= dimension <= MAX_DIMENSION and 1 <= outcomes <= MAX_OBJECTIVES):
        raise SnapshotCorruptError(f"sums of dimension {dimension} with {outcomes} outcomes cannot be")
    triangle, parts = dimension * (dimension + 1) // 2, version
    content = reader.take((triangle + parts * outcomes * (dimension + 1)) * _INTEGER.itemsize)
    numbers: IntArray = np.frombuffer(content, dtype=_INTEGER).astype(np.int64)
    cross = numbers[triangle : triangle + parts * outcomes * dimension].reshape(parts, outcomes, dimension)
    squares = numbers[-parts * outcomes :].reshape(parts, outcomes)
    sums = ExactSums(dimension, outcomes)
    sums.n = n
    sums.gram = numbers[:triangle]
    sums.cross, sums.squares = _wide(cross), _wide(squares)
    return sums


def _wide(parts: IntArray) -> WideIntegers:
    """Return integers of one array or of two; raises SnapshotCorruptError for parts that no sum has."""
    if len(parts) == 1:
        return WideIntegers.of(parts[0])
    high, low = parts
    if ((low < 0) | (low >> 32 != 0)).any() or np.abs(high).max(initial=0) >= 1 << 62:
        raise SnapshotCorruptError("sums hold integers in a form that is never written")
    return WideIntegers(high, low)


def seal(magic: bytes, version: int, *payload: bytes) -> bytes:
    """Put a payload, given in parts, between its magic and its checksum; large sums are copied once."""
    parts = [_SEAL.pack(magic, version), *payload]
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return b"".join([*parts, digest.digest()])


def unseal(magic: bytes, blob: bytes) -> tuple[int, memoryview]:
    """Return the version and the payload of a sealed blob.

    Raises:
        SnapshotCorruptError: if the magic, version or checksum is wrong, or bytes are missing.
    """
    if len(blob) < _SEAL.size + _DIGEST_SIZE:
        raise SnapshotCorruptError(f"{len(blob)} bytes are too few for sealed sums")
    body = memoryview(blob)[:-_DIGEST_SIZE]
    found_magic, found_version = _SEAL.unpack_from(body)
    if found_magic != magic:
        raise SnapshotCorruptError(f"bytes begin with {found_magic!r}, expected {magic!r}")
    if found_version not in (NARROW, WIDE):
        raise SnapshotCorruptError(
            f"sums are of version {found_version}, this library reads versions {NARROW} and {WIDE}"
        )
    if hashlib.sha256(body).digest() != bytes(blob[-_DIGEST_SIZE:]):
        raise SnapshotCorruptError("sums fail their checksum")
    return found_version, body[_SEAL.size :]


class Reader:
    """Reads a payload from its start and never past its end."""

    __slots__ = ("_rest",)

    def __init__(self, payload: memoryview) -> None:
        self._rest = payload

    def take(self, size: int) -> memoryview:
        """Return the next ``size`` bytes; raises SnapshotCorruptError if there are fewer."""
        if size > len(self._rest):
            raise SnapshotCorruptError(f"{size} bytes were announced, {len(self._rest)} are there")
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken

    def unpack(self, form: struct.Struct) -> tuple[int, ...]:
        """Return the next integers; raises SnapshotCorruptError if bytes are missing."""
        return form.unpack(self.take(form.size))

    def text(self, size: int) -> str:
        """Return the next ``size`` bytes as text; raises SnapshotCorruptError if they are not UTF-8."""
        try:
            return bytes(self.take(size)).decode()
        except UnicodeDecodeError:
            raise SnapshotCorruptError("a name in the sums is not UTF-8") from None

    def finish(self) -> None:
        """Raise SnapshotCorruptError if bytes are left."""
        if self._rest:
            raise SnapshotCorruptError(f"{len(self._rest)} bytes follow the end of the sums")
