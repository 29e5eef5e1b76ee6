"""Applies records that other workers wrote to this router's state, and settings that they changed.

Three positions in the log matter. Each is a pair of counts: feedbacks and decisions.

==================  ======================================================================================
position            meaning
==================  ======================================================================================
``state.position``  records counted in the state: this worker's own when they are made, before they have a
                    sequence number, and records of other workers when they are read
``followed``        the log is read up to this sequence number; own records are not read back
``end``             the last sequence number in the log when :meth:`LogFollower.follow` begins
==================  ======================================================================================

Worked numbers for feedback: this worker has read and counted 10 records, then counts two of its own, so its state
is at 12, followed = 10 and end = 10. A peer's report gets the number 11, the two of this worker get 12 and 13, so
end = 13. ``follow`` applies number 11 and skips the other two: the state is at 13, followed = 13 and end = 13.
This worker has added its own two reports before the peer's, and the peer in the order of the log; since sums are
exact, both have the same sums.

Locks are taken in this order:

1. the follower's lock, held during :meth:`LogFollower.follow`, so that one thread at a time reads the log;
2. the engine's lock, held while the state, the recent decisions or the settings are read or changed;
3. the lock of the store's queue, held while records are appended.

Two rules prevent deadlocks. First, the engine's lock is never held while waiting for the store (a query, a flush):
the store may wait for its writer thread, and the writer takes the engine's lock to resolve reports. Appending is
allowed, since it does not wait for the writer. Second, reports are appended with the engine's lock held: the
memory store resolves them at once under its own lock, and takes the engine's lock again, which is re-entrant.
"""

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeAlias

import numpy as np

from banditroute.core.log import DecisionRecord, FeedbackRecord, Position, SnapshotRecord
from banditroute.core.revisions import continues, follows, is_known, moves
from banditroute.core.spec import StoredRouter
from banditroute.errors import StoreError
from banditroute.router.engine import Engine
from banditroute.router.state.recent import DecisionEntry
from banditroute.router.worker_log import WorkerLog

CHUNK = 64
"""Number of events applied under the engine's lock at once, so that requests can run in between."""

Event: TypeAlias = DecisionRecord | FeedbackRecord


class LogFollower:
    """Reads the records that other workers appended, and applies them to the engine's state.

    A worker counts its own records at once, and those of other workers as soon as they have a sequence number.
    Sums are exact, so all workers that have read the same log have the same sums, in whatever order they counted.

    An event *diverges* if it does not continue from the feedback that this worker counted for its decision. The
    follower then reads the decision's final feedback from the store, and moves the sums to it
    (:func:`~banditroute.core.revisions.moves`).

    Attributes:
        followed: Position up to which the log was read.
        is_only_worker: Whether the log has no record of another worker since opening, so that this worker counts
            in the order of the log.
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
        """Replace the follower's lock: in a forked child, a thread of the parent may have held it."""
        self._following = threading.Lock()

    def offer_snapshot(self, snapshot: SnapshotRecord) -> None:
        """Keep a snapshot of this worker's state, to be stored once the log contains everything in it."""
        self._snapshot = snapshot

    def drop_snapshot(self) -> None:
        """Discard the kept snapshot: it may contain data that is about to be erased from the log."""
        with self._engine.lock:
            self._snapshot = None

    def follow(self) -> None:
        """Apply the new records of the log, and store a snapshot if one is due.

        Raises:
            StoreError: if the log cannot be read now; the next call continues where this one stopped.
        """
        with self._following:
            version = self._log.changes.version()
            # The end is read before the settings: an arm is stored before the events that name it, so the settings
            # contain every arm of the events up to this end.
            end = self._log.store.end()
            stored = self._log.store.changed(self._revision)
            if stored is not None:
                self._check_complete(stored)
                if not self._apply_settings(stored, version):
                    return
                self._revision = stored.revision
            if end != self.followed:
                self._apply_events(end)
                self.followed = end
            snapshot = self._proven_snapshot(end)
        if snapshot is not None:
            self._log.put([snapshot])

    def _check_complete(self, stored: StoredRouter) -> None:
        """Refuse a log whose beginning was deleted, if this worker was opened without its snapshot.

        Raises:
            StoreError: then; this worker keeps on deciding by what it has learned itself.
        """
        if self._revision < 0 and stored.horizon_us:
            raise StoreError(
                f"router {stored.spec.name!r} was opened while its database was unavailable, and the log from "
                "before its snapshot was compacted away; close it and open it again",
                code="store.incomplete",
            )

    def _apply_settings(self, stored: StoredRouter, version: int | None) -> bool:
        """Apply stored settings, unless they would undo a change made by this worker since ``version``.

        Returns False if they are not applied.
        """
        engine, log = self._engine, self._log
        with engine.lock:
            if version is None or version != log.changes.version():
                return False
            log.keys.adopt(stored)
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
        """Apply events from the front of the queue until one diverges; return that one, or None.

        Applied events are removed from the queue.
        """
        with self._engine.lock:
            while events:
                event = events[0]
                if isinstance(event, FeedbackRecord) and self._diverges(event):
                    return event
                events.popleft()
                # An event at which a controller fails is not applied again.
                with self._engine.faults:
                    self._apply(event)
                self.followed = _after(self.followed, event)
        return None

    def _apply(self, event: Event) -> None:
        entry = self._log.recent.get(event.decision_key)
        if isinstance(event, DecisionRecord):
            # The decision may be known already: read together with its feedback, or copied by a fork.
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
        """Return whether the event does not continue from the feedback that this worker counted."""
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
        """Replace the feedback that this worker counted for a decision by its final feedback in the log.

        The two differ if two workers receive different reports on one decision before either reads the other's
        record, and if feedback is erased from the log. Returns False if another report was counted meanwhile;
        the caller then tries again.
        """
        with self._engine.lock:
            entry = self._log.recent.get(event.decision_key)
            last = None if entry is None else entry.feedback.get(event.group)
        # Not under the engine's lock: the query may wait for the store's writer, and the writer for this lock.
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
        """Return the kept snapshot once the log contains all its records; None before, or with other workers."""
        with self._engine.lock:
            snapshot = self._snapshot
            if snapshot is None or any(a > b for a, b in zip(snapshot.position, end, strict=True)):
                return None
            self._snapshot = None
            return snapshot if self.is_only_worker else None


def _same_row(one: FeedbackRecord, other: FeedbackRecord) -> bool:
    """Return whether both have the same features; those of an erased decision are blank."""
    return one.row is other.row or np.array_equal(one.row, other.row)


def _after(position: Position, event: Event) -> Position:
    """Return the position in the log after the event; sequence numbers increase from event to event."""
    if isinstance(event, DecisionRecord):
        return position._replace(n_decisions=event.number)
    return position._replace(n_feedback=event.number)


def _chunks(events: Iterable[Event]) -> Iterator[deque[Event]]:
    remaining = iter(events)
    while chunk := deque(islice(remaining, CHUNK)):
        yield chunk
