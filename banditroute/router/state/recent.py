"""Recent decisions, kept in memory so that their feedback needs no query."""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

from banditroute.core.log import DecisionRecord, FeedbackRecord
from banditroute.store import Store


@dataclass(slots=True, eq=False)
class DecisionEntry:
    """One decision and the latest feedback of each of its objective groups.

    Attributes:
        decision: The decision.
        feedback: Objective group → its latest feedback, as counted by this worker.
        read: Objective group → the last revision read from the log; this worker's own are not read back.
    """

    decision: DecisionRecord
    feedback: dict[str, FeedbackRecord] = field(default_factory=dict)
    read: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of_log(cls, decision: DecisionRecord, feedback: Iterable[FeedbackRecord]) -> "DecisionEntry":
        """Return an entry read from the log; ``feedback`` has each group's latest record last."""
        entry = cls(decision)
        for record in feedback:
            entry.put_read(record)
        return entry

    def put_read(self, record: FeedbackRecord) -> None:
        """Replace a group's feedback by a revision read from the log."""
        self.feedback[record.group] = record
        self.read[record.group] = record.revision


class RecentDecisions:
    """The last ``limit`` decisions; older ones are found in the store.

    Attributes:
        limit: Number of decisions kept.
        horizon_us: The store may have deleted decisions made before this time; 0 if it keeps all of them.
    """

    def __init__(self, store: Store, *, limit: int) -> None:
        self._store = store
        self.limit = limit
        self.horizon_us = 0
        self._entries: OrderedDict[bytes, DecisionEntry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, entry: DecisionEntry) -> DecisionEntry:
        """Add the entry, and remove the oldest if there are more than ``limit``."""
        self._entries[entry.decision.decision_key] = entry
        if len(self._entries) > self.limit:
            self._entries.popitem(last=False)
        return entry

    def get(self, key: bytes) -> DecisionEntry | None:
        """Return the entry of that decision; None if it is not in memory."""
        return self._entries.get(key)

    def set_horizon(self, horizon_us: int) -> None:
        """Drop decisions that the store may have deleted, so that feedback on them needs a query."""
        if horizon_us > self.horizon_us:
            self.horizon_us = horizon_us
            self.drop([key for key, entry in self._entries.items() if entry.decision.created_us <= horizon_us])

    def drop(self, keys: Iterable[bytes]) -> None:
        """Drop these decisions from memory; later look-ups query the store."""
        for key in keys:
            self._entries.pop(key, None)

    def fetch(self, key: bytes) -> DecisionEntry | None:
        """Return the entry of that decision from the store, after all appended records are stored."""
        self._store.flush()
        found = self._store.decision(key)
        if found is None:
            return None
        return DecisionEntry.of_log(*found)
