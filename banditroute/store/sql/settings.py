"""Writes settings (arms and prices, preferences, the dimension) and snapshots."""

from collections.abc import Sequence

from sqlalchemy import Connection, delete, func, insert, select, update

from banditroute.core.arms import Price
from banditroute.core.log import ArmRecord, PreferencesRecord, SecretRecord, SnapshotRecord, SpaceRecord
from banditroute.errors import StoreError
from banditroute.store.schema import tables
from banditroute.store.schema.tables import Row
from banditroute.store.semantics.merge import merge_arm
from banditroute.store.sql.encode import arm_row, preference_row, snapshot_row
from banditroute.store.sql.read import arm_records, compacted

SNAPSHOTS_KEPT = 10
"""Number of newest snapshots to keep; of older ones, the last of each week is kept for compaction."""
WEEK_US = 7 * 86_400_000_000


def write_settings(
    connection: Connection,
    router_id: int,
    record: ArmRecord | PreferencesRecord | SpaceRecord | SecretRecord | SnapshotRecord,
) -> None:
    """Write a record of settings, or a snapshot.

    Raises:
        StoreError: for a dimension that contradicts the stored one.
    """
    match record:
        case SnapshotRecord():
            _lock(connection, router_id)
            _write_snapshot(connection, router_id, record)
        case ArmRecord():
            increment_revision(connection, router_id)
            stored = {known.arm.name: known for known in arm_records(connection, router_id)}
            write_arm(connection, router_id, merge_arm(stored.get(record.arm.name), record))
        case PreferencesRecord():
            increment_revision(connection, router_id)
            _write_preferences(connection, router_id, record)
        case SpaceRecord(dimension):
            _fix_dimension(connection, router_id, dimension)
        case SecretRecord(secret, recorded_us):
            increment_revision(connection, router_id)
            accept_secret(connection, router_id, secret, recorded_us)


def write_arm(connection: Connection, router_id: int, record: ArmRecord) -> None:
    """Add or change an arm, and store its price with the time from which it applies."""
    arm, price = tables.arm, tables.price
    row = arm_row(record, router_id)
    same = (arm.c.router_id == router_id) & (arm.c.name == record.arm.name)
    if not connection.execute(update(arm).where(same).values(row)).rowcount:
        connection.execute(insert(arm), row)
    if record.arm.price is None:
        return
    number = connection.scalar(select(arm.c.arm_id).where(same))
    price_row = _price_row(record.arm.price, record.recorded_us)
    effective = (price.c.arm_id == number) & (price.c.effective_us == record.price_effective_us)
    if not connection.execute(update(price).where(effective).values(price_row)).rowcount:
        connection.execute(
            insert(price), {"arm_id": number, "effective_us": record.price_effective_us, **price_row}
        )
    if record.price_effective_us == record.recorded_us:
        # As banditroute.core.price_history.with_price does.
        later = (price.c.arm_id == number) & (price.c.effective_us > record.price_effective_us)
        connection.execute(delete(price).where(later, price.c.effective_us <= price.c.recorded_us))


def write_new_arms(connection: Connection, router_id: int, records: Sequence[ArmRecord]) -> None:
    """Add the arms of a new router, in two statements however many they are."""
    arm = tables.arm
    connection.execute(insert(arm), [arm_row(record, router_id) for record in records])
    numbers = dict(connection.execute(select(arm.c.name, arm.c.arm_id).where(arm.c.router_id == router_id)).all())
    prices = [
        {
            "arm_id": numbers[record.arm.name],
            "effective_us": record.price_effective_us,
            **_price_row(record.arm.price, record.recorded_us),
        }
        for record in records
        if record.arm.price is not None
    ]
    if prices:
        connection.execute(insert(tables.price), prices)


def _price_row(price: Price, recorded_us: int) -> Row:
    return {"input": price.input, "output": price.output, "recorded_us": recorded_us}


def accept_secret(connection: Connection, router_id: int, secret: bytes, recorded_us: int) -> None:
    """Accept ids under a secret that does not tag new ids; do nothing if it is accepted already."""
    router, table = tables.router, tables.secret
    of_router = table.c.router_id == router_id
    known = (
        select(router.c.secret)
        .where(router.c.router_id == router_id)
        .union(select(table.c.secret).where(of_router))
    )
    if secret not in connection.scalars(known):
        row = {"router_id": router_id, "secret": secret, "recorded_us": recorded_us}
        connection.execute(insert(table), row)


def increment_revision(connection: Connection, router_id: int) -> None:
    """Increment the router's revision; the row lock blocks other changes of settings until the commit."""
    router = tables.router
    connection.execute(
        update(router).where(router.c.router_id == router_id).values(revision=router.c.revision + 1)
    )


def _lock(connection: Connection, router_id: int) -> None:
    """Block other changes of settings until the commit, without one: two workers may store the same snapshot."""
    router = tables.router
    # Not FOR UPDATE, for which rows that reference the router would wait.
    connection.execute(
        select(router.c.router_id).where(router.c.router_id == router_id).with_for_update(key_share=True)
    )


def _write_preferences(connection: Connection, router_id: int, record: PreferencesRecord) -> None:
    preference = tables.preference
    row = preference_row(record, router_id)
    same = [preference.c[name] == row[name] for name in ("router_id", "weights", "recorded_us")]
    if connection.scalar(select(preference.c.version).where(*same)) is not None:
        return
    last = connection.scalar(select(func.max(preference.c.version)).where(preference.c.router_id == router_id))
    connection.execute(insert(preference), {**row, "version": (last or 0) + 1})


def _fix_dimension(connection: Connection, router_id: int, dimension: int) -> None:
    router = tables.router
    here = router.c.router_id == router_id
    fixed = connection.execute(
        update(router)
        .where(here, router.c.dimension.is_(None))
        .values(dimension=dimension, revision=router.c.revision + 1)
    )
    if not fixed.rowcount and connection.scalar(select(router.c.dimension).where(here)) != dimension:
        raise StoreError(f"dimension {dimension} contradicts the stored one")


def _write_snapshot(connection: Connection, router_id: int, record: SnapshotRecord) -> None:
    snapshot = tables.snapshot
    row = snapshot_row(record, router_id)
    here = snapshot.c.router_id == router_id
    connection.execute(
        delete(snapshot).where(here, snapshot.c.learned == row["learned"], snapshot.c.decided == row["decided"])
    )
    connection.execute(insert(snapshot), row)
    older = connection.execute(
        select(snapshot.c.learned, snapshot.c.decided, snapshot.c.recorded_us)
        .where(here)
        .order_by(snapshot.c.learned.desc(), snapshot.c.decided.desc())
        .offset(SNAPSHOTS_KEPT)
    ).all()
    if not older:
        return
    horizon, weeks = compacted(connection, router_id), set()
    for n_feedback, n_decisions, recorded_us in older:
        week = recorded_us // WEEK_US
        # The snapshot at the compaction horizon opens the router if all others are dropped.
        is_base = horizon.n_decisions > 0 and (n_feedback, n_decisions) == horizon
        if is_base or (
            week not in weeks and n_feedback >= horizon.n_feedback and n_decisions >= horizon.n_decisions
        ):
            weeks.add(week)
            continue
        connection.execute(
            delete(snapshot).where(here, snapshot.c.learned == n_feedback, snapshot.c.decided == n_decisions)
        )
