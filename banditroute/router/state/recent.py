"""Recent decisions, kept in memory so that their feedback needs no query."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from banditroute.core.log import DecisionRecord, FeedbackRecord
from banditroute.store import Store

ENTRY_BYTES = 3_000
"""Measured memory of a decision with three reports, without its arrays and what its controllers did [bytes]."""

VALUE_BYTES = 100
"""Memory of one entry of a mapping or list, with its key and its value [bytes]."""


@dataclass(slots=True, eq=False)
class DecisionEntry:
    """One decision and the latest feedback of each of its objective groups.

    Attributes:
        decision: The decision.
        size: About how much memory it takes [bytes].
        feedback: Objective group → its latest feedback, as counted by this worker.
        read: Objective group → the last revision read from the log; this worker's own are not read back.
    """

    decision: DecisionRecord
    size: int = field(init=False)
    feedback: dict[str, FeedbackRecord] = field(default_factory=dict)
    read: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.size = _size(self.decision)

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


def _size(decision: DecisionRecord) -> int:
    arrays = decision.row.nbytes + decision.probabilities.nbytes + decision.mean.nbytes + decision.width.nbytes
    values = len(decision.excluded) + (_count(decision.effects) if decision.effects else 0)
    return ENTRY_BYTES + arrays + VALUE_BYTES * values


def _count(value: object) -> int:
    """Return the number of entries in nested mappings and lists of plain values."""
    if isinstance(value, Mapping):
        return len(value) + sum(map(_count, value.values()))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return len(value) + sum(map(_count, value))
    return 0


class RecentDecisions:
    """The last ``limit`` decisions, fewer if they take more than ``budget`` bytes; others are found in the store.

    Attributes:
        limit: Largest number of decisions kept.
        budget: Largest memory of the decisions kept [bytes]; the last decision is kept in any case.
        size: Memory of the decisions kept, estimated [bytes].
        horizon_us: The store may have deleted decisions made before this time; 0 if it keeps all of them.
    """

    def __init__(self, store: Store, *, limit: int, budget: int) -> None:
        self._store = store
        self.limit = limit
        self.budget = budget
        self.size = 0
        self.horizon_us = 0
        self._entries: OrderedDict[bytes, DecisionEntry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, entry: DecisionEntry) -> DecisionEntry:
        """Add the entry, and remove the oldest ones above the limits."""
        self.drop([entry.decision.decision_key])
        self._entries[entry.decision.decision_key] = entry
        self.size += entry.size
        while len(self._entries) > self.limit or (self.size > self.budget and len(self._entries) > 1):
            self.size -= self._entries.popitem(last=False)[1].size
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
            if (entry := self._entries.pop(key, None)) is not None:
                self.size -= entry.size

    def fetch(self, key: bytes) -> DecisionEntry | None:
        """Return the entry of that decision from the store, after all appended records are stored."""
        self._store.flush()
        found = self._store.decision(key)
        if found is None:
            return None
        return DecisionEntry.of_log(*found)
