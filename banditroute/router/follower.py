"""Keeping a router's state abreast of a log that other workers write too."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeAlias

import numpy as np

from banditroute.core.log import DecisionRecord, FeedbackRecord, Position, SnapshotRecord
from banditroute.core.revisions import follows, is_known, moves
from banditroute.core.runtime.faults import FaultBarrier
from banditroute.core.spec import StoredRouter
from banditroute.router.open_windows import OpenWindows
from banditroute.router.state import DecisionEntry, RecentDecisions, State
from banditroute.store import Store

CHUNK = 64
"""Events to one turn of the lock, so that requests pass in between."""

Event: TypeAlias = DecisionRecord | FeedbackRecord
Adopt: TypeAlias = Callable[[StoredRouter], bool]
"""Takes over changed settings; False if it cannot now, then it is asked again."""


class LogFollower:
    """Follows the log of one router behind what this worker knows.

    A worker counts its own records at once and reads those of others as soon as they are numbered. Sums are
    exact, so all workers that have read the same log believe the same, whatever each of them saw first.

    Attributes:
        followed: How far the log was read.
        alone: Whether no other worker was ever seen, so that this worker's order is that of the log.
    """

    def __init__(
        self,
        store: Store,
        state: State,
        recent: RecentDecisions,
        lock: threading.RLock,
        barrier: FaultBarrier,
        *,
        revision: int,
        followed: Position,
        awaited: OpenWindows,
    ) -> None:
        self._store = store
        self._state = state
        self._recent = recent
        self._lock = lock
        self._barrier = barrier
        self._revision = revision
        self._awaited = awaited
        self._candidate: SnapshotRecord | None = None
        self.followed = followed
        self.alone = True
        self.begin()

    def propose(self, snapshot: SnapshotRecord) -> None:
        """A snapshot of this worker's state, to be stored as soon as the log shows that it is one of the log."""
        self._candidate = snapshot

    def withdraw(self) -> None:
        """Do without what was proposed: it may hold a part of what is about to be erased from the log."""
        with self._lock:
            self._candidate = None

    def follow(self, adopt: Adopt) -> SnapshotRecord | None:
        """Read what is new, and hand changed settings to ``adopt``; returns a snapshot that may be stored now.

        Raises:
            StoreError: if the log cannot be read now; the next call begins where this one stopped.
        """
        with self._following:
            return self._follow(adopt)

    def begin(self) -> None:
        """Nobody follows yet; in a forked child, a thread of the parent may have."""
        self._following = threading.Lock()

    def _follow(self, adopt: Adopt) -> SnapshotRecord | None:
        # The end first: whatever the events before it name was stored before them, so the settings know it.
        end = self._store.end()
        stored = self._store.changed(self._revision)
        if stored is not None:
            if not adopt(stored):
                return None
            self._revision = stored.revision
        if end != self.followed:
            for events in _chunks(self._store.events(self.followed, up_to=end, others=True)):
                while events:
                    parting = self._see_some(events)
                    if parting is not None and self._settle(parting):
                        events.popleft()
            self.followed = end
        return self._proven(end)

    def _proven(self, end: Position) -> SnapshotRecord | None:
        """The candidate, once everything before it is in the log and all of it is this worker's."""
        with self._lock:
            snapshot = self._candidate
            if (
                snapshot is None
                or snapshot.position.learned > end.learned
                or snapshot.position.decided > end.decided
            ):
                return None
            self._candidate = None
            return snapshot if self.alone else None

    def _see_some(self, events: deque[Event]) -> FeedbackRecord | None:
        """See what comes first of them, up to one, which is returned, that is no news to what is known here."""
        with self._lock:
            while events:
                event = events[0]
                if isinstance(event, FeedbackRecord) and self._parts_ways(event):
                    return event
                events.popleft()
                # One that a controller fails at is not looked at for ever.
                with self._barrier:
                    self._see(event)
                self.followed = _behind(self.followed, event)
        return None

    def _see(self, event: Event) -> None:
        entry = self._recent.get(event.body)
        if isinstance(event, DecisionRecord):
            # It may be known already: read together with its feedback, or inherited through a fork.
            if entry is None:
                self.alone = False
                self._state.see(event)
                if event.arms:
                    self._recent.add(DecisionEntry(event))
                    self._awaited.decided(event.created_us, event.body)
            return
        self.alone = False
        before = None if entry is None else entry.feedback.get(event.group)
        if before is None or not is_known(before, event):
            self._state.see(event)
        elif event.revision < before.revision:
            return
        if entry is not None and event.group:
            entry.feedback[event.group] = event

    def _parts_ways(self, event: FeedbackRecord) -> bool:
        """Whether this worker learned something else of the decision than what the event goes on from."""
        entry = self._recent.get(event.body)
        if entry is None or not event.group:
            return False
        before = entry.feedback.get(event.group)
        if before is None:
            return not follows(None, event)
        return not (is_known(before, event) or (follows(before, event) and _same_row(before, event)))

    def _settle(self, event: FeedbackRecord) -> bool:
        """Move from what this worker learned of a decision to what the log says of it in the end.

        The two go apart when workers are told different things of one decision before they know of each other, and
        when what was learned is erased from the log. False if something was said of it meanwhile: then look again.
        """
        with self._lock:
            entry = self._recent.get(event.body)
            before = None if entry is None else entry.feedback.get(event.group)
        # Not under the lock: the store waits for its writer, and its writer for the roster.
        found = self._store.decision(event.body)
        with self._lock:
            if entry is None or entry.feedback.get(event.group) is not before:
                return False
            self.alone, final = False, event
            if found is not None:
                entry.decision, feedback = found
                final = ([record for record in feedback if record.group == event.group] or [event])[-1]
            entry.feedback[event.group] = final
            for record in moves(before, final):
                with self._barrier:
                    self._state.see(record)
            self.followed = _behind(self.followed, event)
        return True


def _same_row(one: FeedbackRecord, other: FeedbackRecord) -> bool:
    """Whether both are about the same features: those of an erased decision are blank."""
    return one.row is other.row or np.array_equal(one.row, other.row)


def _behind(place: Position, event: Event) -> Position:
    """The place in the log after the event; numbers grow from event to event."""
    if isinstance(event, DecisionRecord):
        return Position(place.learned, event.decided)
    return Position(event.learned, place.decided)


def _chunks(events: Iterable[Event]) -> Iterator[deque[Event]]:
    waiting = iter(events)
    while chunk := deque(islice(waiting, CHUNK)):
        yield chunk
