"""One worker's log: its store, its outbox, and the recent records in memory."""

import math
import time
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field, replace

from banditroute.core.arrays import FloatArray, RowArray
from banditroute.core.decision import Decision
from banditroute.core.ids import DecisionIds
from banditroute.core.log import LogRecord, SpaceRecord
from banditroute.core.receipt import ReceiptStatus
from banditroute.core.spec import StoredRouter
from banditroute.errors import InvalidDecisionIdError, StoreError
from banditroute.router.choice import Choice
from banditroute.router.engine import Engine
from banditroute.router.open_windows import OpenWindows
from banditroute.router.outbox import Outbox
from banditroute.router.pending_changes import PendingChanges
from banditroute.router.resolution import FeedbackResolver
from banditroute.router.state.recent import DecisionEntry, RecentDecisions
from banditroute.store import Store

NEVER_READ = -2
"""A revision that no stored router has."""

SECRETS_READ_S = 0.05
"""The shortest time between two reads of the secrets because of unknown ids [s]."""


@dataclass(slots=True, eq=False)
class WorkerLog:
    """The log and its caches, shared by the parts of a live router.

    Attributes:
        engine: The router without its log.
        store: The store that holds the log.
        stored: The stored router as read at opening.
        outbox: Appends records to the store.
        ids: Issues and checks decision ids of this router.
        recent: Recent decisions and their feedback.
        windows: Decisions whose outcome windows are open.
        resolver: Turns reports into feedback records.
        changes: This worker's changes of settings that are not stored yet.
        keeps_secret: Whether the secret of the ids is kept in the store.
        secrets_read: When an unknown id last caused a look at the stored secrets, by a monotonic clock [s].
    """

    engine: Engine
    store: Store
    stored: StoredRouter
    outbox: Outbox
    ids: DecisionIds
    recent: RecentDecisions
    windows: OpenWindows
    resolver: FeedbackResolver
    keeps_secret: bool
    changes: PendingChanges = field(default_factory=PendingChanges)
    secrets_read: float = -math.inf

    def key(self, decision_id: str) -> bytes:
        """Return the decision key of an id, also of one whose secret another worker has just stored.

        An unknown id causes a query then, at most 20 a second.

        Raises:
            InvalidDecisionIdError: for an id that this router never issued.
        """
        try:
            return self.ids.key(decision_id)
        except InvalidDecisionIdError:
            if not (self.keeps_secret and self.store.is_shared and self._may_read_secrets()):
                raise
            with suppress(StoreError):
                stored = self.store.changed(NEVER_READ)
                if stored is not None:
                    self.adopt_secrets(stored)
            return self.ids.key(decision_id)

    def adopt_secrets(self, stored: StoredRouter) -> None:
        """Issue ids under the stored secret, and accept those of all secrets of the router."""
        if self.keeps_secret:
            self.ids.replace([stored.secret, *stored.accepted])

    def _may_read_secrets(self) -> bool:
        now = time.monotonic()
        if now < self.secrets_read + SECRETS_READ_S:
            return False
        self.secrets_read = now
        return True

    def row(self, values: FloatArray) -> RowArray:
        """Return checked features on the grid; the first call fixes the number of features."""
        engine = self.engine
        if engine.spec.dimension is None:
            engine.set_spec(replace(engine.spec, dimension=values.shape[-1]))
            self.change_settings(SpaceRecord(values.shape[-1], engine.now_us()))
        return engine.space.row(values)

    def record(self, choice: Choice) -> Decision:
        """Count a choice, append its record, and return the decision."""
        record = choice.record(self.engine.state)
        with self.engine.faults:
            self.engine.state.apply_decision(record)
        self.recent.add(DecisionEntry(record))
        self.windows.add_decision(record.created_us, record.decision_key)
        stored = self.put([record])
        propensity = float(choice.probabilities[choice.arm])
        decision_id = self.ids.issue(record.decision_key)
        return Decision(decision_id, record.arm, propensity, record, self.engine.objectives, stored)

    def change_settings(self, record: LogRecord) -> None:
        """Append a change of settings."""
        self.changes.add(self.outbox.put([record]))

    def put(self, records: Sequence[LogRecord]) -> "Future[ReceiptStatus]":
        """Append records without waiting."""
        return self.outbox.put(records)
