import struct
import tracemalloc

import numpy as np
import pytest

from banditroute.core.log import StateKey
from banditroute.errors import SnapshotCorruptError
from banditroute.learning import ExactSums, SumsTable, decode, encode
from banditroute.learning.sums.codec import seal
from tests.learning.rows import grid_rows


def some_sums() -> ExactSums:
    sums = ExactSums(4, 2)
    sums.add(*grid_rows(1, 30, 4, 2))
    return sums


def some_statistics() -> SumsTable:
    table = SumsTable(4, {"quality": 1, "response": 2})
    rows, values = grid_rows(2, 9, 4, 2)
    for number, (row, value) in enumerate(zip(rows, values, strict=True)):
        table.add(StateKey("größer", "response", number % 2), row, value)
    return table


def test_sums_survive_the_round_trip() -> None:
    sums = some_sums()
    again = decode(encode(sums))
    assert again == sums
    assert encode(again) == encode(sums)
    again.subtract(*grid_rows(1, 30, 4, 2))
    assert not again


def test_wide_sums_have_a_version_of_their_own_and_come_back() -> None:
    assert encode(some_sums())[4:6] == b"\1\0"
    assert encode(wide_sums())[4:6] == b"\2\0"
    assert decode(encode(wide_sums())) == wide_sums()
    table = some_statistics()
    assert table.encode()[4:6] == b"\1\0"
    table.put(StateKey("a", "response", 0), wide_sums())
    assert table.encode()[4:6] == b"\2\0"
    assert SumsTable.decode(table.encode()).digest() == table.digest()


@pytest.mark.parametrize("low", [-1, 2**32])
def test_integers_in_a_form_that_is_never_written_are_refused(low: int) -> None:
    payload = struct.pack("<IHq", 1, 1, 1) + struct.pack("<qqqqq", 1, 0, low, 0, 1)
    with pytest.raises(SnapshotCorruptError, match="never written"):
        decode(seal(b"BRxs", 2, payload))


def test_statistics_survive_the_round_trip() -> None:
    table = some_statistics()
    again = SumsTable.decode(table.encode())
    assert again.digest() == table.digest()
    assert again.keys == table.keys
    assert {key: decode(blob) for key, blob in table.blobs().items()} == {
        key: again.sums(key) for key in again.keys
    }


def mutations(blob: bytes, count: int) -> list[bytes]:
    rng = np.random.default_rng(7)
    found = [blob[:size] for size in range(0, len(blob), 7)] + [blob + b"\0", blob + blob, b""]
    while len(found) < count:
        mutated = bytearray(blob)
        for place in rng.integers(len(blob), size=rng.integers(1, 4)):
            mutated[place] ^= int(rng.integers(1, 256))
        if mutated != blob:
            found.append(bytes(mutated))
    return found


def wide_sums() -> ExactSums:
    """Sums that do not fit into int64."""
    sums = ExactSums(4, 2)
    sums.add(np.full((3_000, 4), 2**15, dtype=np.int32), np.full((3_000, 2), 2**26))
    return sums


@pytest.mark.parametrize("sums", [some_sums(), wide_sums()], ids=["narrow", "wide"])
def test_no_mutated_bytes_are_accepted(sums: ExactSums) -> None:
    for blob in mutations(encode(sums), 5_000):
        with pytest.raises(SnapshotCorruptError):
            decode(blob)
    for blob in mutations(some_statistics().encode(), 5_000):
        with pytest.raises(SnapshotCorruptError):
            SumsTable.decode(blob)


@pytest.mark.parametrize(
    "payload",
    [
        struct.pack("<IHq", 4097, 32, 1),
        struct.pack("<IHq", 2**32 - 1, 2, 1),
        struct.pack("<IHq", 0, 1, 1),
        struct.pack("<IHq", 4, 33, 1),
        b"",
    ],
)
def test_a_lying_header_with_a_good_checksum_allocates_nothing(payload: bytes) -> None:
    blob = seal(b"BRxs", 1, payload)
    tracemalloc.start()
    try:
        with pytest.raises(SnapshotCorruptError):
            decode(blob)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "payload",
    [
        struct.pack("<IHI", 4, 0, 0),
        struct.pack("<IHI", 4, 65_535, 2**32 - 1),
        struct.pack("<IHI", 4, 1, 2**32 - 1) + struct.pack("<HH", 1, 1) + b"q",
        struct.pack("<IHI", 4, 1, 0) + struct.pack("<HH", 1, 1) + b"\xff",
        struct.pack("<IHI", 4, 1, 0) + struct.pack("<HH", 1, 99) + b"q",
        struct.pack("<IHI", 4, 1, 0) + struct.pack("<HH", 1, 1) + b"q" + b"more",
        struct.pack("<IHI", 2**31, 1, 0) + struct.pack("<HH", 1, 1) + b"q",
        struct.pack("<IHI", 4, 1, 1) + struct.pack("<HH", 1, 1) + b"q" + struct.pack("<HHq", 1, 1, 0) + b"ax",
    ],
)
def test_lying_statistics_are_refused(payload: bytes) -> None:
    with pytest.raises(SnapshotCorruptError):
        SumsTable.decode(seal(b"BRst", 1, payload))


def test_other_versions_and_kinds_are_named() -> None:
    with pytest.raises(SnapshotCorruptError, match="version 9, this library reads versions 1 and 2"):
        decode(seal(b"BRxs", 9, b""))
    with pytest.raises(SnapshotCorruptError, match="begin with"):
        decode(some_statistics().encode())


def test_the_largest_sums() -> None:
    widest = ExactSums(1, 32)
    assert decode(encode(widest)) == widest
    for dimension, sentence in (
        (4_097, "bytes were announced, 0 are there"),
        (4_098, "dimension 4098 with 1 outcomes"),
    ):
        with pytest.raises(SnapshotCorruptError, match=sentence):
            decode(seal(b"BRxs", 1, struct.pack("<IHq", dimension, 1, 0)))
