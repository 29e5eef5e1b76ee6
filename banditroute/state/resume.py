"""From what a store holds to a state that goes on as if it had never stopped."""

import logging
from collections.abc import Sequence

from banditroute.errors import SnapshotCorruptError
from banditroute.records import ArmRecord, DecisionRecord, LogRecord, StoredRouter
from banditroute.state.ledger import Entry, Ledger
from banditroute.state.state import State
from banditroute.store import Store

_log = logging.getLogger("banditroute")


def resume(
    state: State, ledger: Ledger, store: Store, stored: StoredRouter, given: Sequence[ArmRecord]
) -> list[LogRecord]:
    """Bring ``state`` and ``ledger`` to the end of the log; returns the records of arms that the store lacks.

    A snapshot only saves time: without one, or with a damaged one, the whole log is replayed.
    """
    known = {record.arm.name for record in stored.arms}
    news = [record for record in given if record.arm.name not in known]
    for record in (*stored.arms, *news):
        state.roster.put(record)
    for name, prices in stored.prices.items():
        for since_us, price in prices:
            state.roster.put_price(name, price, since_us=since_us)
    if stored.spec.dimension is None:
        return list(news)
    state.fix_dimension(stored.spec)
    if stored.snapshot is not None:
        try:
            state.restore(stored.snapshot)
        except SnapshotCorruptError as error:
            _log.warning("router %r: %s; replaying the log instead", stored.spec.name, error)
            state.fix_dimension(stored.spec)
    for event in store.events(state.position):
        state.see(event)
        if isinstance(event, DecisionRecord):
            ledger.add(Entry(event))
        elif entry := ledger.get(event.body):
            entry.feedback[event.group] = event
    return list(news)
