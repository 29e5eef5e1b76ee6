"""Issues decision ids and finds their keys, also under secrets that other workers have just stored."""

import math
import time
from collections.abc import Sequence
from contextlib import suppress

from banditroute.core.ids import DecisionIds
from banditroute.core.spec import StoredRouter
from banditroute.errors import InvalidDecisionIdError, StoreError
from banditroute.store import Store

NEVER_READ = -2
"""A revision that no stored router has."""

SECRETS_READ_S = 0.05
"""The shortest time between two reads of the secrets because of unknown ids [s]."""


class DecisionKeys:
    """The decision ids of one router, as one worker knows them.

    Attributes:
        keeps_secret: Whether the secret of the ids is kept in the store.
    """

    def __init__(self, store: Store, stored: StoredRouter, secrets: Sequence[bytes] | None) -> None:
        self.keeps_secret = secrets is None
        accepted = [stored.secret, *stored.accepted] if secrets is None else secrets
        self._ids = DecisionIds(accepted, stored.spec.tenant, stored.spec.name)
        self._store = store
        self._secrets_read = -math.inf

    def issue(self, key: bytes) -> str:
        """Return the public id of a decision key."""
        return self._ids.issue(key)

    def key(self, decision_id: str) -> bytes:
        """Return the decision key of an id; an unknown id causes a query, at most 20 a second.

        Raises:
            InvalidDecisionIdError: for an id that this router never issued.
        """
        try:
            return self._ids.key(decision_id)
        except InvalidDecisionIdError:
            if not (self.keeps_secret and self._store.is_shared and self._may_read_secrets()):
                raise
            with suppress(StoreError):
                stored = self._store.changed(NEVER_READ)
                if stored is not None:
                    self.adopt(stored)
            return self._ids.key(decision_id)

    def adopt(self, stored: StoredRouter) -> None:
        """Issue ids under the stored secret, and accept those of all secrets of the router."""
        if self.keeps_secret:
            self._ids.replace([stored.secret, *stored.accepted])

    def _may_read_secrets(self) -> bool:
        now = time.monotonic()
        if now < self._secrets_read + SECRETS_READ_S:
            return False
        self._secrets_read = now
        return True
