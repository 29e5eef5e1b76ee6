"""The database protocol: transactions, locks and dialect differences."""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import ClassVar, Protocol, TypeVar

from sqlalchemy import Column, ColumnElement, Connection, Table

from banditroute.store.schema.tables import Row

T = TypeVar("T")


LOGGING_NAME = "banditroute"
"""Name of the engines in SQLAlchemy's log."""

ADDRESS = "store.address"
"""Code of the error for a URL that leads to no database: none of that name, or a file of another kind."""


def hide_rows() -> None:
    """Keep rows out of the log: at DEBUG, SQLAlchemy writes them even if parameters are hidden."""
    logging.getLogger(f"sqlalchemy.engine.Engine.{LOGGING_NAME}").addFilter(_not_a_row)


def _not_a_row(record: logging.LogRecord) -> bool:
    return record.levelno > logging.DEBUG


class WriteConflict(Exception):  # noqa: N818  (it never reaches a caller)
    """Another transaction inserted the same rows first; the transaction is repeated, and then reads those."""


class Database(Protocol):
    """One database, and the connections to it; any thread may use it.

    Attributes:
        kind: ``"sqlite"`` or ``"postgresql"``.
        name: Name for messages; contains no password.
        one_writer: Whether only one transaction at a time can write. Then rows are folded in the transaction that
            appends them; otherwise in a separate transaction, by one worker at a time.
    """

    kind: ClassVar[str]
    one_writer: ClassVar[bool]
    name: str

    def write(self, doing: str, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in one transaction, and repeat it after a conflict with another transaction.

        Raises:
            StoreError: for an error that can be the fault of a record. The message begins with ``doing``.
            StoreUnavailableError: for any other error of the database; the same work may succeed later.
        """
        ...

    def alter(self, doing: str, work: Callable[[Connection], T]) -> T:
        """Write in a transaction that changes tables, without a time limit."""
        ...

    def read(self, doing: str) -> AbstractContextManager[Connection]:
        """Open a transaction that only reads; raises as :meth:`write` does."""
        ...

    def hold_still(self, connection: Connection) -> None:
        """Make all queries of this transaction read the same snapshot; call it before the first query."""
        ...

    def must_exist(self) -> None:
        """Raise InvalidArgumentError if there is no such database."""
        ...

    def require_private(self) -> None:
        """Raise InvalidArgumentError if other users of this machine can change the database's file."""
        ...

    def lock_schema(self, connection: Connection) -> None:
        """Take the lock for creating and changing tables and routers, until the commit."""
        ...

    def lock_journal(self, connection: Connection, key: int, *, wait: bool) -> bool:
        """Take the lock for folding the journal ``key``; return whether this transaction has it."""
        ...

    def arrivals(self, connection: Connection, count: int) -> Sequence[int]:
        """Return ``count`` new numbers; those of one worker increase."""
        ...

    def insert(self, connection: Connection, table: Table, rows: Sequence[Row]) -> int:
        """Insert rows of the same columns, skip those that exist, and return how many were inserted."""
        ...

    def number(self, connection: Connection, table: Table, rows: Mapping[int, tuple[int, ...]]) -> None:
        """Set numbers of rows by primary key: decided and learned, or only learned."""
        ...

    def among(self, column: Column[bytes], name: str) -> ColumnElement[bool]:
        """Return the condition that a column is one of the values bound to ``name``."""
        ...

    def back_up(self) -> str | None:
        """Copy the whole database and return the path; None for a server, which has its own backup tools."""
        ...

    def size(self, connection: Connection) -> int:
        """Return the size of the whole database [bytes]."""
        ...

    def before_fork(self) -> None:
        """Prepare for a fork of the process."""
        ...

    def after_fork(self, *, in_child: bool) -> None:
        """Continue after a fork; in the child without the connections of the parent."""
        ...

    def dispose(self) -> None:
        """Close every connection."""
        ...
