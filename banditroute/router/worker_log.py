"""One worker's log: its store, its outbox, and the recent records in memory."""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

from banditroute.core.arrays import FloatArray, RowArray
from banditroute.core.decision import Decision
from banditroute.core.log import LogRecord, SpaceRecord
from banditroute.core.receipt import ReceiptStatus
from banditroute.core.spec import StoredRouter
from banditroute.router.choice import Choice
from banditroute.router.decision_keys import DecisionKeys
from banditroute.router.engine import Engine
from banditroute.router.open_windows import OpenWindows
from banditroute.router.outbox import Outbox
from banditroute.router.pending_changes import PendingChanges
from banditroute.router.resolution import FeedbackResolver
from banditroute.router.state.recent import DecisionEntry, RecentDecisions
from banditroute.store import Store


@dataclass(slots=True, eq=False)
class WorkerLog:
    """The log and its caches, shared by the parts of a live router.

    Attributes:
        engine: The router without its log.
        store: The store that holds the log.
        stored: The stored router as read at opening.
        outbox: Appends records to the store.
        keys: Issues and checks decision ids of this router.
        recent: Recent decisions and their feedback.
        windows: Decisions whose outcome windows are open.
        resolver: Turns reports into feedback records.
        changes: This worker's changes of settings that are not stored yet.
    """

    engine: Engine
    store: Store
    stored: StoredRouter
    outbox: Outbox
    keys: DecisionKeys
    recent: RecentDecisions
    windows: OpenWindows
    resolver: FeedbackResolver
    changes: PendingChanges = field(default_factory=PendingChanges)

    def row(self, values: FloatArray) -> RowArray:
        """Return checked features on the grid; the first call fixes the number of features."""
        engine = self.engine
        if engine.spec.dimension is None:
            engine.set_spec(replace(engine.spec, dimension=values.shape[-1]))
            self.change_settings(SpaceRecord(values.shape[-1], engine.now_us()))
        row = engine.space.row(values)
        engine.space.count_vanished(values, row)
        return row

    def record(self, choice: Choice) -> Decision:
        """Count a choice, append its record, and return the decision."""
        record = choice.record(self.engine.state)
        with self.engine.faults:
            self.engine.state.apply_decision(record)
        self.recent.add(DecisionEntry(record))
        self.windows.add_decision(record.created_us, record.decision_key)
        stored = self.put([record])
        propensity = float(choice.probabilities[choice.arm])
        decision_id = self.keys.issue(record.decision_key)
        return Decision(decision_id, record.arm, propensity, record, self.engine.objectives, stored)

    def change_settings(self, record: LogRecord) -> None:
        """Append a change of settings."""
        self.changes.add(self.outbox.put([record]))

    def put(self, records: Sequence[LogRecord]) -> "Future[ReceiptStatus]":
        """Append records without waiting."""
        return self.outbox.put(records)
