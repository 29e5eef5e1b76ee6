"""The bytes of a snapshot stay readable, and other bytes are refused even with a valid checksum."""

import hashlib
import struct

import pytest

from banditroute.errors import SnapshotCorruptError
from banditroute.router.state.snapshot import decode, encode

FACTS = {"b": [1, 2.5], "a": "größer"}


def sealed(body: bytes) -> bytes:
    return body + hashlib.sha256(body).digest()


def test_they_come_back() -> None:
    text = rb'{"a":"gr\u00f6\u00dfer","b":[1,2.5]}'
    blob = encode(FACTS, b"sums")
    assert blob == sealed(struct.pack("<4sI", b"brs1", len(text)) + text + b"sums")
    assert decode(blob) == (FACTS, b"sums")
    assert decode(encode({}, b"")) == ({}, b"")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_is_never_written(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode({"a": value}, b"")


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (struct.pack("<4sI", b"brs2", 2) + b"{}", "not in a format that this version reads"),
        (struct.pack("<4sI", b"brs1", 3) + b"{}", "not in a format that this version reads"),
        (struct.pack("<4sI", b"brs1", 2) + b"{]", "holds no facts"),
        (struct.pack("<4sI", b"brs1", 2) + b"[]", "holds no facts"),
        (struct.pack("<4sI", b"brs1", 100_000) + b"[" * 100_000, "holds no facts"),
        (b"brs1", "fails its checksum"),
        (b"", "fails its checksum"),
    ],
)
def test_a_valid_checksum_is_not_enough(body: bytes, sentence: str) -> None:
    with pytest.raises(SnapshotCorruptError, match=sentence):
        decode(sealed(body))


def test_no_changed_bit_and_no_cut_is_accepted() -> None:
    blob = encode(FACTS, b"sums")
    changed = [bytes([*blob[:place], blob[place] ^ 1, *blob[place + 1 :]]) for place in range(len(blob))]
    for other in (*changed, *(blob[:size] for size in range(len(blob))), blob + b"\0"):
        with pytest.raises(SnapshotCorruptError, match="fails its checksum"):
            decode(other)
