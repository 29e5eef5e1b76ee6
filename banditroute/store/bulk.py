"""Many rows into one table, at the speed of the driver."""

from collections.abc import Sequence
from functools import lru_cache
from operator import itemgetter

from sqlalchemy import Connection, Dialect, Table, insert

from banditroute.store.codec import Row


def insert_many(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows that all name the same columns, with values that the driver takes as they are.

    SQLAlchemy compiles the statement, once, and leaves each row alone: its own handling of parameters would cost
    as much as the insertion.
    """
    statement, order = _compiled(table, tuple(rows[0]), connection.dialect)
    values = itemgetter(*order)
    connection.exec_driver_sql(statement, [values(row) for row in rows])


@lru_cache(maxsize=64)
def _compiled(table: Table, columns: tuple[str, ...], dialect: Dialect) -> tuple[str, tuple[str, ...]]:
    compiled = insert(table).compile(dialect=dialect, column_keys=list(columns))
    return str(compiled), tuple(compiled.positiontup or ())
