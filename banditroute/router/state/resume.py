"""From what a store holds to a state that goes on as if it had never stopped."""

import logging
from collections.abc import Sequence

from banditroute.core.log import ArmRecord, DecisionRecord, LogRecord, SnapshotRecord
from banditroute.core.runtime.faults import FaultBarrier
from banditroute.core.spec import StoredRouter
from banditroute.errors import SnapshotCorruptError
from banditroute.router.state.recent import DecisionEntry, RecentDecisions
from banditroute.router.state.state import State
from banditroute.store import Store

_log = logging.getLogger("banditroute")


def resume(
    state: State,
    recent: RecentDecisions,
    store: Store,
    stored: StoredRouter,
    given: Sequence[ArmRecord],
    barrier: FaultBarrier,
) -> list[LogRecord]:
    """Bring ``state`` and ``recent`` to the end of the log; returns what the store lacks: arms, and a snapshot.

    A snapshot only saves time: without one, or with a damaged one, the whole log is replayed.

    Raises:
        SnapshotCorruptError: if the log cannot be replayed instead, since its beginning was let go.
    """
    recent.horizon_us = stored.horizon_us
    known = {record.arm.name for record in stored.arms}
    news = [record for record in given if record.arm.name not in known]
    state.roster.adopt(stored)
    for record in news:
        state.roster.put(record)
    if stored.spec.dimension is None:
        return list(news)
    state.fix_dimension(stored.spec)
    if stored.snapshot is not None:
        try:
            state.restore(stored.snapshot)
        except SnapshotCorruptError as error:
            if stored.horizon_us:
                raise _no_way_back(stored, str(error)) from None
            _log.warning("router %r: %s; replaying the log instead", stored.spec.name, error)
            state.fix_dimension(stored.spec)
    elif stored.horizon_us:
        raise _no_way_back(stored, "no snapshot is good")
    snapshot: SnapshotRecord | None = None
    forgotten = stored.end.decided - recent.limit
    with state.replaying(stored.end):
        for event in store.events(state.position, up_to=stored.end):
            # As in life: a controller that fails at a record keeps nobody from opening.
            with barrier:
                state.see(event)
            if isinstance(event, DecisionRecord):
                if event.decided > forgotten and event.arms:
                    recent.add(DecisionEntry(event))
                continue
            if state.can_snapshot:
                snapshot = state.snapshot(now_us=event.received_us)
            if event.group and (entry := recent.get(event.body)):
                entry.feedback[event.group] = event
    return [*news, *([snapshot] if snapshot else [])]


def _no_way_back(stored: StoredRouter, why: str) -> SnapshotCorruptError:
    return SnapshotCorruptError(
        f"router {stored.spec.name!r} cannot be opened: {why}, and the log from before it was compacted away; "
        f"restore a backup, or open it with the controllers that it had"
    )
