"""What a restored backup lacks: the decisions made between the backup and its restoration."""

import json
from typing import NamedTuple

from sqlalchemy import Connection, delete, insert, select

from banditroute.core.ids import key_created_us
from banditroute.store.schema import tables

_RESTORED, _COPIED = "restored", "copied_us"
_KEPT = 100


class Gap(NamedTuple):
    """The time whose decisions a restored database does not hold [us since the epoch]."""

    after_us: int
    up_to_us: int


def is_lost(connection: Connection, key: bytes) -> bool:
    """Return whether a decision that is not stored was made in a gap; its key contains its time."""
    created_us = key_created_us(key)
    return any(gap.after_us < created_us <= gap.up_to_us for gap in gaps(connection))


def gaps(connection: Connection) -> list[Gap]:
    """Return the gaps of all restorations so far."""
    return [Gap(*pair) for pair in json.loads(_read(connection, _RESTORED) or "[]")]


def add_gap(connection: Connection, gap: Gap) -> None:
    """Note a restoration; the oldest of more than 100 is dropped."""
    _write(connection, _RESTORED, json.dumps([*gaps(connection), gap][-_KEPT:]))


def copied_us(connection: Connection) -> int | None:
    """Return when this database was copied by ``banditroute db backup``, or None."""
    value = _read(connection, _COPIED)
    return None if value is None else int(value)


def set_copied(connection: Connection, moment_us: int | None) -> None:
    """Note when this copy was made, or with None that this database is in use again."""
    _write(connection, _COPIED, None if moment_us is None else str(moment_us))


def _read(connection: Connection, name: str) -> str | None:
    meta = tables.meta.c
    return connection.scalar(select(meta.value).where(meta.name == name))


def _write(connection: Connection, name: str, value: str | None) -> None:
    connection.execute(delete(tables.meta).where(tables.meta.c.name == name))
    if value is not None:
        connection.execute(insert(tables.meta), {"name": name, "value": value})
