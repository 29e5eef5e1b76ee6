"""Applies records that other workers wrote to this router's state, and settings that they changed."""

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeAlias

import numpy as np

from banditroute.core.log import DecisionRecord, FeedbackRecord, Position, SnapshotRecord
from banditroute.core.revisions import continues, follows, is_known, moves
from banditroute.core.spec import StoredRouter
from banditroute.router.engine import Engine
from banditroute.router.state.recent import DecisionEntry
from banditroute.router.worker_log import WorkerLog

CHUNK = 64
"""Events to one turn of the lock, so that requests pass in between."""

Event: TypeAlias = DecisionRecord | FeedbackRecord


class LogFollower:
    """Reads the log behind what this worker knows.

    A worker counts its own records at once and reads those of others as soon as they are numbered. The three
    positions are: what the state has counted (``state.position``, its own records included), what was read
    (``followed``), and where the log ends. Sums are exact, so all workers that have read the same log have the
    same sums, whatever each of them counted first.

    Where this worker counted something else for a decision than what an event goes on from, the store is asked for
    the outcome of that decision, and the sums move there (:func:`~banditroute.core.revisions.moves`).

    Attributes:
        followed: How far the log was read.
        is_only_worker: Whether no other worker was ever seen, so that this worker's order is that of the log.
    """

    def __init__(self, engine: Engine, log: WorkerLog) -> None:
        self._engine = engine
        self._log = log
        self._revision = log.stored.revision
        self._snapshot: SnapshotRecord | None = None
        self.followed = log.stored.end
        self.is_only_worker = True
        self.reset_lock()

    def reset_lock(self) -> None:
        """Forget who follows now; in a forked child, a thread of the parent may have."""
        self._following = threading.Lock()

    def offer_snapshot(self, snapshot: SnapshotRecord) -> None:
        """Keep a snapshot of this worker's state until the log shows that it is a state of the log."""
        self._snapshot = snapshot

    def drop_snapshot(self) -> None:
        """Store no snapshot of before: it may hold a part of what is about to be erased from the log."""
        with self._engine.lock:
            self._snapshot = None

    def follow(self) -> None:
        """Apply what is new in the log, and store a snapshot if one is due.

        Raises:
            StoreError: if the log cannot be read now; the next call continues where this one stopped.
        """
        with self._following:
            version = self._log.changes.version()
            # The end first: whatever the events before it name was stored before them, so the settings know it.
            end = self._log.store.end()
            stored = self._log.store.changed(self._revision)
            if stored is not None:
                if not self._apply_settings(stored, version):
                    return
                self._revision = stored.revision
            if end != self.followed:
                self._apply_events(end)
                self.followed = end
            snapshot = self._proven_snapshot(end)
        if snapshot is not None:
            self._log.put([snapshot])

    def _apply_settings(self, stored: StoredRouter, version: int | None) -> bool:
        """Take over settings, unless a change of this worker since ``version`` would be undone."""
        engine, log = self._engine, self._log
        with engine.lock:
            if version is None or version != log.changes.version():
                return False
            if log.keeps_secret:
                log.ids.accept(stored.secret)
            engine.state.arms.adopt(stored)
            log.resolver.ready.set()
            log.recent.set_horizon(stored.horizon_us)
            if stored.preferences.version > engine.requests.current.version:
                engine.requests.set_preferences(stored.preferences)
            if engine.spec.dimension is None and stored.spec.dimension is not None:
                engine.set_spec(stored.spec)
            return True

    def _apply_events(self, end: Position) -> None:
        for events in _chunks(self._log.store.events(self.followed, up_to=end, others=True)):
            while events:
                diverging = self._apply_some(events)
                if diverging is not None and self._reconcile(diverging):
                    events.popleft()

    def _apply_some(self, events: deque[Event]) -> FeedbackRecord | None:
        """Apply the first of them, up to one, which is returned, that does not go on from what is known here."""
        with self._engine.lock:
            while events:
                event = events[0]
                if isinstance(event, FeedbackRecord) and self._diverges(event):
                    return event
                events.popleft()
                # An event at which a controller fails is not tried again.
                with self._engine.faults:
                    self._apply(event)
                self.followed = _after(self.followed, event)
        return None

    def _apply(self, event: Event) -> None:
        entry = self._log.recent.get(event.decision_key)
        if isinstance(event, DecisionRecord):
            # It may be known already: read together with its feedback, or inherited through a fork.
            if entry is None:
                self.is_only_worker = False
                self._engine.state.apply(event)
                if event.arms:
                    self._log.recent.add(DecisionEntry(event))
                    self._log.windows.add_decision(event.created_us, event.decision_key, of_peer=True)
            return
        self.is_only_worker = False
        last = None if entry is None else entry.feedback.get(event.group)
        if entry is not None and last is not None and is_known(last, event, read=entry.read.get(event.group, -1)):
            if event.revision < last.revision:
                return
        else:
            self._engine.state.apply(event)
        if entry is not None and event.group:
            entry.put_read(event)

    def _diverges(self, event: FeedbackRecord) -> bool:
        """Whether this worker counted something else for the decision than what the event goes on from."""
        entry = self._log.recent.get(event.decision_key)
        if entry is None or not event.group:
            return False
        last = entry.feedback.get(event.group)
        if last is None:
            return not follows(None, event)
        if is_known(last, event, read=entry.read.get(event.group, -1)):
            return False
        return not (continues(last, event) and _same_row(last, event))

    def _reconcile(self, event: FeedbackRecord) -> bool:
        """Move from what this worker counted for a decision to what the log says of it in the end.

        The two differ when workers get different reports on one decision before they know of each other, and when
        what was learned is erased from the log. False if another report came meanwhile: then look again.
        """
        with self._engine.lock:
            entry = self._log.recent.get(event.decision_key)
            last = None if entry is None else entry.feedback.get(event.group)
        # Not under the lock: the store waits for its writer, and its writer for the lock.
        found = self._log.store.decision(event.decision_key)
        with self._engine.lock:
            if entry is None or entry.feedback.get(event.group) is not last:
                return False
            self.is_only_worker, final = False, event
            if found is not None:
                entry.decision, feedback = found
                final = ([record for record in feedback if record.group == event.group] or [event])[-1]
            entry.put_read(final)
            for record in moves(last, final):
                with self._engine.faults:
                    self._engine.state.apply(record)
            self.followed = _after(self.followed, event)
        return True

    def _proven_snapshot(self, end: Position) -> SnapshotRecord | None:
        """The snapshot, once everything before it is in the log and all of it is this worker's."""
        with self._engine.lock:
            snapshot = self._snapshot
            if snapshot is None or any(a > b for a, b in zip(snapshot.position, end, strict=True)):
                return None
            self._snapshot = None
            return snapshot if self.is_only_worker else None


def _same_row(one: FeedbackRecord, other: FeedbackRecord) -> bool:
    """Whether both are about the same features: those of an erased decision are blank."""
    return one.row is other.row or np.array_equal(one.row, other.row)


def _after(position: Position, event: Event) -> Position:
    """The position in the log after the event; numbers grow from event to event."""
    if isinstance(event, DecisionRecord):
        return position._replace(n_decisions=event.number)
    return position._replace(n_feedback=event.number)


def _chunks(events: Iterable[Event]) -> Iterator[deque[Event]]:
    waiting = iter(events)
    while chunk := deque(islice(waiting, CHUNK)):
        yield chunk
