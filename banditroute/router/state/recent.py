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
        feedback: Objective group → what this worker knows of it.
        read: Objective group → the last revision that was read from the log; this worker's own are not read back.
    """

    decision: DecisionRecord
    feedback: dict[str, FeedbackRecord] = field(default_factory=dict)
    read: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of_log(cls, decision: DecisionRecord, feedback: Iterable[FeedbackRecord]) -> "DecisionEntry":
        """An entry as the log has it; each group's latest feedback last."""
        entry = cls(decision)
        for record in feedback:
            entry.put_read(record)
        return entry

    def put_read(self, record: FeedbackRecord) -> None:
        """Take over a revision that was read from the log."""
        self.feedback[record.group] = record
        self.read[record.group] = record.revision


class RecentDecisions:
    """The last ``limit`` decisions; older ones are found in the store.

    Attributes:
        limit: How many.
        horizon_us: Decisions from before it may be gone from the store; 0 where all is kept.
    """

    def __init__(self, store: Store, *, limit: int) -> None:
        self._store = store
        self.limit = limit
        self.horizon_us = 0
        self._entries: OrderedDict[bytes, DecisionEntry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, entry: DecisionEntry) -> DecisionEntry:
        """Keep the entry, and let the oldest go when there are too many."""
        self._entries[entry.decision.decision_key] = entry
        if len(self._entries) > self.limit:
            self._entries.popitem(last=False)
        return entry

    def get(self, key: bytes) -> DecisionEntry | None:
        """The entry of that decision, if it is still here."""
        return self._entries.get(key)

    def set_horizon(self, horizon_us: int) -> None:
        """From now on ask the store for decisions that it may have deleted: feedback on them is refused."""
        if horizon_us > self.horizon_us:
            self.horizon_us = horizon_us
            self.drop([key for key, entry in self._entries.items() if entry.decision.created_us <= horizon_us])

    def drop(self, keys: Iterable[bytes]) -> None:
        """Forget these decisions; the store is asked from then on."""
        for key in keys:
            self._entries.pop(key, None)

    def fetch(self, key: bytes) -> DecisionEntry | None:
        """The entry of that decision from the store, which is asked after all that was appended is settled."""
        self._store.flush()
        found = self._store.decision(key)
        if found is None:
            return None
        return DecisionEntry.of_log(*found)
