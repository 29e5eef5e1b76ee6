"""Opens a router's log, and reads it to its end into the engine."""

import logging
from collections.abc import Sequence
from pathlib import Path

from banditroute.core.arms import Arm
from banditroute.core.ids import check_secrets, new_secret
from banditroute.core.log import (
    ArmRecord,
    DecisionRecord,
    LogRecord,
    PreferencesRecord,
    SecretRecord,
    SnapshotRecord,
)
from banditroute.core.objectives import Preferences
from banditroute.core.spec import StoredRouter
from banditroute.core.validation import require_integer, require_one_of
from banditroute.errors import RouterMismatchError, SnapshotCorruptError
from banditroute.router.decision_keys import DecisionKeys
from banditroute.router.differences import ON_CHANGE, Differences, OnChange, differences
from banditroute.router.engine import Engine
from banditroute.router.log_check import fold_of
from banditroute.router.open_windows import OpenWindows
from banditroute.router.outbox import Outbox
from banditroute.router.resolution import FeedbackResolver
from banditroute.router.state.arms import seed_records
from banditroute.router.state.recent import DecisionEntry, RecentDecisions
from banditroute.router.worker_log import WorkerLog
from banditroute.store import Store, open_store

RECENT_DECISIONS = 10_000
"""Largest number of decisions kept in memory, so that feedback on them needs no query."""

_SHOWN = 5

_log = logging.getLogger("banditroute")


def open_log(
    engine: Engine,
    *,
    arms: Sequence[Arm],
    preferences: Preferences | None,
    store: str | Store | None,
    spool: Path | None,
    secret: bytes | Sequence[bytes] | None,
    on_change: OnChange,
    recent_bytes: int,
) -> WorkerLog:
    """Open the store, and apply its log to the engine; for the arguments see :class:`~banditroute.Router`.

    Raises:
        InvalidArgumentError: for a setting that breaks its rule.
        RouterMismatchError: if the store holds a router of that name with another shape.
        SnapshotCorruptError: if the log cannot be replayed.
        StoreError: if the store cannot be opened.
    """
    require_one_of("on_change", on_change, ON_CHANGE)
    recent_bytes = require_integer("recent_bytes", recent_bytes, least=0)
    spec, objectives, now_us = engine.spec, engine.objectives, engine.now_us()
    weights = objectives.plain({objectives.names[0]: 1.0} if preferences is None else preferences)
    given = seed_records(arms, objectives, now_us)
    secrets = None if secret is None else check_secrets(secret)
    resolver = FeedbackResolver(objectives, engine.state.arms, engine.state.sources, engine.lock)
    opened = open_store(store, spool=spool)
    stored = opened.open(
        spec,
        given,
        PreferencesRecord(1, weights, now_us),
        # A new router stores this secret. A secret from the configuration is never stored.
        secret=new_secret(),
        fold=fold_of(spec),
        resolve=resolver.resolve_stored,
    )
    log = WorkerLog(
        engine=engine,
        store=opened,
        stored=stored,
        outbox=Outbox(opened),
        keys=DecisionKeys(opened, stored, secrets),
        recent=RecentDecisions(opened, limit=RECENT_DECISIONS, budget=recent_bytes),
        windows=OpenWindows(objectives),
        resolver=resolver,
    )
    try:
        found = differences(stored, given, None if preferences is None else weights, now_us)
        if on_change == "refuse":
            _refuse(stored, found.sentences)
        missing = _resume(engine, log, given)
    except BaseException:
        opened.close()
        raise
    _announce(log)
    if missing:
        log.put(missing)
    _settle(log, found, on_change)
    return log


def _announce(log: WorkerLog) -> None:
    """Let the store resolve reports or, while it is unavailable, record the secret of the ids."""
    if log.stored.revision >= 0:
        log.resolver.ready.set()
    elif log.keys.keeps_secret:
        # The first record, so that every worker accepts the ids that are issued until the database is back.
        log.change_settings(SecretRecord(log.stored.secret, log.engine.now_us()))


def _settle(log: WorkerLog, found: Differences, on_change: OnChange) -> None:
    """Log all differences, and remove them if they are to be applied."""
    engine = log.engine
    for sentence in found.sentences:
        action = "the given setting is applied" if on_change == "apply" else "the stored setting is kept"
        _log.warning("router %r: %s; %s", engine.spec.name, sentence, action)
    for record in found.records if on_change == "apply" else ():
        if isinstance(record, PreferencesRecord):
            engine.requests.set_preferences(record)
        else:
            engine.state.arms.put(record)
        log.change_settings(record)


def _resume(engine: Engine, log: WorkerLog, given: Sequence[ArmRecord]) -> list[LogRecord]:
    """Bring engine and recent decisions to the end of the log; return the arms and snapshot to be stored.

    A snapshot only saves time: without one, or with a damaged one, the whole log is replayed.

    Raises:
        SnapshotCorruptError: if the snapshot is missing or damaged, and the log before it was compacted away.
    """
    state, stored = engine.state, log.stored
    log.recent.horizon_us = stored.horizon_us
    known = {record.arm.name for record in stored.arms}
    new_arms = [record for record in given if record.arm.name not in known]
    state.arms.adopt(stored)
    for record in new_arms:
        state.arms.put(record)
    engine.requests.set_preferences(stored.preferences)
    engine.set_spec(stored.spec)
    # A log that cannot be read yet is followed from its beginning, once its database is back.
    if stored.spec.dimension is None or stored.revision < 0:
        return list(new_arms)
    if stored.snapshot is not None:
        try:
            state.restore(stored.snapshot)
        except SnapshotCorruptError as error:
            if stored.horizon_us:
                raise _irreplaceable(stored, str(error)) from None
            _log.warning("router %r: %s; replaying the log instead", stored.spec.name, error)
            state.fix_dimension(stored.spec)
    elif stored.horizon_us:
        raise _irreplaceable(stored, "no snapshot is good")
    snapshot = _replay(engine, log)
    return [*new_arms, *([snapshot] if snapshot else [])]


def _replay(engine: Engine, log: WorkerLog) -> SnapshotRecord | None:
    """Apply the log after the state's position; return the last snapshot taken during the replay, if any."""
    state, end, snapshot = engine.state, log.stored.end, None
    old = end.n_decisions - log.recent.limit
    with state.replaying(end):
        for event in log.store.events(state.position, up_to=end):
            # As on the live path, a controller that fails at a record does not prevent opening.
            with engine.faults:
                state.apply(event)
            if isinstance(event, DecisionRecord):
                if event.number > old and event.arms:
                    log.recent.add(DecisionEntry(event))
                continue
            if state.can_snapshot:
                snapshot = state.snapshot(now_us=event.received_us)
            if event.group and (entry := log.recent.get(event.decision_key)):
                entry.put_read(event)
    return snapshot


def _refuse(stored: StoredRouter, found: Sequence[str]) -> None:
    if not found:
        return
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    raise RouterMismatchError(
        f"router {stored.spec.name!r} differs from its store: {'; '.join(found[:_SHOWN])}{more}"
    )


def _irreplaceable(stored: StoredRouter, why: str) -> SnapshotCorruptError:
    return SnapshotCorruptError(
        f"router {stored.spec.name!r} cannot be opened: {why}, and the log from before it was compacted away; "
        f"restore a backup, or open it with the controllers that it had"
    )
