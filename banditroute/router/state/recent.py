"""Recent decisions, kept in memory so that their feedback needs no query."""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

from banditroute.core.log import DecisionRecord, FeedbackRecord
from banditroute.store import Store


@dataclass(slots=True, eq=False)
class DecisionEntry:
    """One decision and the latest feedback of each of its objective groups."""

    decision: DecisionRecord
    feedback: dict[str, FeedbackRecord] = field(default_factory=dict)


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
        self._entries[entry.decision.body] = entry
        if len(self._entries) > self.limit:
            self._entries.popitem(last=False)
        return entry

    def get(self, body: bytes) -> DecisionEntry | None:
        """The entry of that decision, if it is still here."""
        return self._entries.get(body)

    def set_horizon(self, horizon_us: int) -> None:
        """Ask the store from now on for what it may have let go itself; feedback on that would be nobody's."""
        if horizon_us > self.horizon_us:
            self.horizon_us = horizon_us
            self.drop([body for body, entry in self._entries.items() if entry.decision.created_us <= horizon_us])

    def drop(self, bodies: Iterable[bytes]) -> None:
        """Forget these decisions; the store is asked from then on."""
        for body in bodies:
            self._entries.pop(body, None)

    def fetch(self, body: bytes) -> DecisionEntry | None:
        """The entry of that decision from the store, which is asked after all that was appended is settled."""
        self._store.flush()
        found = self._store.decision(body)
        if found is None:
            return None
        decision, feedback = found
        return DecisionEntry(decision, {record.group: record for record in feedback})
