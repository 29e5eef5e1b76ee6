"""Decision ids that cannot be forged, and the uniform number drawn from each.

An id is a 16-byte body and a 12-byte HMAC-SHA256 tag over (router, body), written in URL-safe base64. The tag
lets any worker refuse an id that this router never issued without asking the database. The draw hashes
(seed, body), so a decision can be drawn again from the log and no generator is ever kept.
"""

import base64
import binascii
import hashlib
import hmac
import os
import time
from collections.abc import Callable, Sequence
from typing import TypeAlias

from banditroute.core.numbers import as_integer
from banditroute.core.shown import shown
from banditroute.core.validation import require_items
from banditroute.errors import InvalidArgumentError, InvalidDecisionIdError

IdSource: TypeAlias = Callable[[], bytes]

SECRET_BYTES = 32
KEY_BYTES = 16
TAG_BYTES = 12
ID_CHARACTERS = 38


def random_key() -> bytes:
    """A time-ordered, unguessable body: 48 bits of milliseconds, 80 random bits."""
    return (time.time_ns() // 1_000_000).to_bytes(6, "big") + os.urandom(10)


def key_created_us(body: bytes) -> int:
    """When a body of :func:`random_key` was made, to the millisecond [us since the epoch]."""
    return int.from_bytes(body[:6], "big") * 1_000


def new_secret() -> bytes:
    """Return 32 random bytes."""
    return os.urandom(SECRET_BYTES)


def check_secrets(secret: bytes | Sequence[bytes]) -> Sequence[bytes]:
    """Return one secret or several as a sequence.

    Raises:
        InvalidArgumentError: for no secret, or one of fewer than 32 bytes.
    """
    secrets = [secret] if isinstance(secret, bytes | str) else require_items("secret", secret)
    if not secrets or not all(isinstance(each, bytes) and len(each) >= SECRET_BYTES for each in secrets):
        raise InvalidArgumentError("secret must be at least 32 bytes, or several of that length")
    return secrets


class DecisionIds:
    """Issues ids under the first secret, and accepts those of any: so a secret is changed without losing an id.

    Raises:
        InvalidArgumentError: as :func:`check_secrets` does.
    """

    def __init__(self, secrets: bytes | Sequence[bytes], tenant: str, router: str) -> None:
        self._secrets = list(check_secrets(secrets))
        self._scope = b"".join(len(part).to_bytes(4, "big") + part for part in (tenant.encode(), router.encode()))
        self._keyed = [hmac.new(secret, self._scope, hashlib.sha256) for secret in self._secrets]

    def replace(self, secrets: Sequence[bytes]) -> None:
        """Issue ids under the first of these secrets, and accept those of any of them and of the earlier ones."""
        self._secrets = list(dict.fromkeys([*secrets, *self._secrets]))
        self._keyed = [hmac.new(secret, self._scope, hashlib.sha256) for secret in self._secrets]

    def issue(self, body: bytes) -> str:
        """The public id of ``body`` (16 bytes)."""
        return _text(body, _tag(self._keyed[0], body))

    def key(self, decision_id: str) -> bytes:
        """The body of an id that was issued by this router.

        Raises:
            InvalidDecisionIdError: for anything else; the message does not say which rule was broken.
        """
        if isinstance(decision_id, str) and len(decision_id) == ID_CHARACTERS and decision_id.isascii():
            try:
                raw = base64.b64decode(decision_id + "==", altchars=b"-_", validate=True)
            except binascii.Error:
                raw = b""
            body, tag = raw[:KEY_BYTES], raw[KEY_BYTES:]
            tags = [_tag(keyed, body) for keyed in self._keyed]
            # All of them are compared, so that the time does not show which one it was.
            if sum([hmac.compare_digest(tag, each) for each in tags]) and _text(body, tag) == decision_id:
                return body
        raise InvalidDecisionIdError("not a decision id issued by this router")


def _tag(keyed: "hmac.HMAC", body: bytes) -> bytes:
    keyed = keyed.copy()
    keyed.update(body)
    return keyed.digest()[:TAG_BYTES]


def _text(body: bytes, tag: bytes) -> str:
    return base64.urlsafe_b64encode(body + tag).rstrip(b"=").decode()


def checked_seed(seed: object) -> int:
    """Return an integer of at most 128 bits, sign included.

    Raises:
        InvalidArgumentError: for anything else.
    """
    number = as_integer(seed)
    if number is None or not -(2**127) <= number < 2**127:
        raise InvalidArgumentError(f"seed = {shown(seed)} must be an integer of at most 128 bits")
    return number


def uniform(seed: int, body: bytes) -> float:
    """One number in [0, 1), a function of (seed, body) alone.

    >>> uniform(7, b"request 1") == uniform(7, b"request 1")
    True
    """
    digest = hashlib.blake2b(body, digest_size=8, key=seed.to_bytes(16, "big", signed=True)).digest()
    return (int.from_bytes(digest, "big") >> 11) * 2.0**-53
