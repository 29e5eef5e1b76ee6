"""The one way to write values as text and bytes: what is compared, and what digests are taken of."""

import hashlib
import json
import struct
from typing import Any

from banditroute.core.log import FeedbackRecord
from banditroute.errors import StoreError

_encoder = json.JSONEncoder(allow_nan=False, separators=(",", ":"))


def json_text(value: Any) -> str:
    """A value as compact JSON; ``{}`` for anything empty.

    Raises:
        StoreError: if it is not JSON, or holds a number that is not finite.
    """
    if not value:
        return "{}"
    try:
        return _encoder.encode(value)
    except (ValueError, TypeError) as error:
        raise StoreError(f"a record cannot be stored: {error}") from None


def pack_integers(values: tuple[int, ...] | None) -> bytes | None:
    """Values on their grid as little-endian int64."""
    return None if values is None else struct.pack(f"<{len(values)}q", *values)


def unpack_integers(blob: bytes | None) -> tuple[int, ...] | None:
    """The values that :func:`pack_integers` wrote."""
    return None if blob is None else struct.unpack(f"<{len(blob) // 8}q", blob)


def content_digest(record: FeedbackRecord) -> bytes:
    """A 16-byte digest of a feedback's content: arm, outcomes as reported, values as learned."""
    content = f"{record.arm}\n{json_text(dict(record.outcomes))}\n".encode()
    content += pack_integers(record.values) or b"-"
    return hashlib.blake2b(content, digest_size=16).digest()
