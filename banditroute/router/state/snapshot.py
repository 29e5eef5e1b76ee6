"""Encodes a snapshot: the sums, and the rest of the state as JSON.

Layout: magic (4 bytes) · length of the JSON (uint32) · JSON · sums · SHA-256 of everything before it (32 bytes).
"""

import hashlib
import json
import struct
from collections.abc import Mapping
from typing import Any

from banditroute.errors import SnapshotCorruptError

_MAGIC = b"brs1"
_HEAD = struct.Struct("<4sI")
_DIGEST_BYTES = 32


def encode(facts: Mapping[str, Any], sums: bytes) -> bytes:
    """Encode facts and sums as one blob."""
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
    head = _HEAD.pack(_MAGIC, len(text)) + text
    digest = hashlib.sha256(head)
    digest.update(sums)
    return b"".join([head, sums, digest.digest()])


def decode(blob: bytes) -> tuple[Mapping[str, Any], bytes]:
    """Return facts and sums of an encoded snapshot.

    Raises:
        SnapshotCorruptError: if the checksum fails, or the content is not that of a snapshot.
    """
    body, digest = blob[:-_DIGEST_BYTES], blob[-_DIGEST_BYTES:]
    if len(blob) < _HEAD.size + _DIGEST_BYTES or hashlib.sha256(body).digest() != digest:
        raise SnapshotCorruptError("snapshot fails its checksum")
    magic, length = _HEAD.unpack_from(body)
    if magic != _MAGIC or _HEAD.size + length > len(body):
        raise SnapshotCorruptError("snapshot is not in a format that this version reads")
    try:
        facts = json.loads(body[_HEAD.size : _HEAD.size + length])
    except (ValueError, RecursionError):
        facts = None
    if not isinstance(facts, dict):
        raise SnapshotCorruptError("snapshot holds no facts")
    return facts, body[_HEAD.size + length :]
