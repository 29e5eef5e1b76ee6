"""Base sums: the sums of the compacted part of a log, to which the rest is added."""

import hashlib
from collections.abc import Mapping

from sqlalchemy import Connection, delete, insert, select

from banditroute.core.log import StateKey
from banditroute.errors import SnapshotCorruptError
from banditroute.store.schema import tables
from banditroute.store.sql.read import arm_ids


def base_of(connection: Connection, router_id: int, arm_id: int, key: StateKey) -> Mapping[StateKey, bytes]:
    """Return the base sums of one key, as a mapping; empty if no feedback of the key was compacted.

    Raises:
        SnapshotCorruptError: if they fail their checksum; they cannot be rebuilt from the log.
    """
    base = tables.base.c
    row = connection.execute(
        select(base.blob, base.sha256).where(
            base.router_id == router_id,
            base.arm_id == arm_id,
            base.objective_group == key.group,
            base.epoch == key.epoch,
        )
    ).first()
    return {} if row is None else {key: _checked(key, row.blob, row.sha256)}


def bases(connection: Connection, router_id: int) -> dict[StateKey, bytes]:
    """Return the base sums of all keys; raises as :func:`base_of` does."""
    names = arm_ids(connection, router_id).names
    rows = connection.execute(select(tables.base).where(tables.base.c.router_id == router_id))
    keyed = ((StateKey(names[row.arm_id], row.objective_group, row.epoch), row) for row in rows)
    return {key: _checked(key, row.blob, row.sha256) for key, row in keyed}


def write_bases(connection: Connection, router_id: int, blobs: Mapping[StateKey, bytes]) -> None:
    """Replace the base sums."""
    numbers = arm_ids(connection, router_id).ids
    connection.execute(delete(tables.base).where(tables.base.c.router_id == router_id))
    rows = [
        {
            "router_id": router_id,
            "arm_id": numbers[key.arm],
            "objective_group": key.group,
            "epoch": key.epoch,
            "blob": blob,
            "sha256": hashlib.sha256(blob).digest(),
        }
        for key, blob in sorted(blobs.items())
    ]
    if rows:
        connection.execute(insert(tables.base), rows)


def _checked(key: StateKey, blob: bytes, digest: bytes) -> bytes:
    if hashlib.sha256(blob).digest() != digest:
        raise SnapshotCorruptError(
            f"the base sums of arm {key.arm!r}, group {key.group!r}, epoch {key.epoch} fail their checksum, "
            f"and their log was compacted; restore a backup"
        )
    return blob
