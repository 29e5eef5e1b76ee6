"""Statements for many rows at once, at the speed of the driver."""

from collections.abc import Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any

from sqlalchemy import Dialect, Table, insert

from banditroute.store.codec import Row


def insertion(dialect: Dialect, table: Table, rows: Sequence[Row]) -> tuple[str, list[Any]]:
    """A statement that inserts rows of the same columns, and their values in its order.

    Rows that are there already are passed over. SQLAlchemy compiles the statement, once, and leaves each row
    alone: its own handling of parameters would cost as much as the insertion.
    """
    statement, order = _compiled(dialect, table, tuple(rows[0]))
    return statement, list(map(itemgetter(*order), rows))


@lru_cache(maxsize=64)
def _compiled(dialect: Dialect, table: Table, columns: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    compiled = insert(table).compile(dialect=dialect, column_keys=list(columns))
    return f"{compiled} ON CONFLICT DO NOTHING", tuple(compiled.positiontup or ())


@lru_cache(maxsize=8)
def numbering(table: Table, count: int) -> str:
    """A statement that sets one or two numbers of a row, by its primary key."""
    (key,) = table.primary_key
    names = ("decided", "learned") if count > 1 else ("learned",)
    return f"UPDATE {table.name} SET {', '.join(f'{name} = ?' for name in names)} WHERE {key.name} = ?"  # noqa: S608
