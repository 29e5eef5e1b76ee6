"""Statements for many rows at once, at the speed of the driver."""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any

from sqlalchemy import Dialect, Table, insert
from sqlalchemy.dialects import postgresql

from banditroute.store.schema.tables import Row

_POSTGRES: Dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # has no types


def insertion(dialect: Dialect, table: Table, rows: Sequence[Row]) -> tuple[str, list[Any]]:
    """Return a statement that inserts rows of the same columns, and their values in its order.

    Existing rows are skipped. SQLAlchemy compiles the statement once and does not process the rows: that would
    take as long as the insertion.
    """
    statement, order = _compiled(dialect, table, tuple(rows[0]))
    return statement, list(map(itemgetter(*order), rows))


@lru_cache(maxsize=64)
def _compiled(dialect: Dialect, table: Table, columns: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    compiled = insert(table).compile(dialect=dialect, column_keys=list(columns))
    return f"{compiled} ON CONFLICT DO NOTHING", tuple(compiled.positiontup or ())


@lru_cache(maxsize=8)
def numbering(table: Table, count: int) -> str:
    """Return a statement that sets one or two numbers of a row by its primary key."""
    (key,) = table.primary_key
    names = ("decided", "learned") if count > 1 else ("learned",)
    return f"UPDATE {table.name} SET {', '.join(f'{name} = ?' for name in names)} WHERE {key.name} = ?"  # noqa: S608  # names alone


def json_insertion(table: Table, rows: Sequence[Row]) -> tuple[str, tuple[str]]:
    """Return a statement that inserts many rows in PostgreSQL, and its only value, a JSON text of all rows.

    Passing single values takes five times as long, and the driver builds arrays of columns element by element.
    """
    return _json_statement(table, tuple(rows[0])), (_encoder.encode(rows),)


def array_numbering(table: Table, rows: Mapping[int, tuple[int, ...]]) -> tuple[str, tuple[Any, ...]]:
    """Return a statement that sets the numbers of many rows by primary key in PostgreSQL, and its values."""
    (key,) = table.primary_key
    columns = list(zip(*rows.values(), strict=True))
    names = ("decided", "learned") if len(columns) > 1 else ("learned",)
    numbers = ", ".join("%b::bigint[]" for _ in names)
    statement = (
        f"UPDATE {table.name} SET {', '.join(f'{name} = given.{name}' for name in names)} "  # noqa: S608  # names alone
        f"FROM unnest({numbers}, %b::bigint[]) AS given({', '.join(names)}, row) WHERE {key.name} = given.row"
    )
    return statement, (*map(list, columns), list(rows))


@lru_cache(maxsize=64)
def _json_statement(table: Table, names: tuple[str, ...]) -> str:
    columns = ", ".join(names)
    types = ", ".join(f"{name} {table.c[name].type.compile(_POSTGRES)}" for name in names)
    return (
        f"INSERT INTO {table.name} ({columns}) "  # noqa: S608  # names alone
        f"SELECT {columns} FROM json_to_recordset(%s::json) AS given({types}) ON CONFLICT DO NOTHING"
    )


def _hexadecimal(value: bytes) -> str:
    return f"\\x{value.hex()}"


_encoder = json.JSONEncoder(default=_hexadecimal, allow_nan=False, separators=(",", ":"))
