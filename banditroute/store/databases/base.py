"""The database protocol: transactions, locks and dialect differences."""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import ClassVar, Protocol, TypeVar

from sqlalchemy import Column, ColumnElement, Connection, Table

from banditroute.store.schema.tables import Row

T = TypeVar("T")


LOGGING_NAME = "banditroute"
"""Names of the engines in SQLAlchemy's log."""


def hide_rows() -> None:
    """Keep rows out of the log: at DEBUG SQLAlchemy writes every one, whether parameters are hidden or not."""
    logging.getLogger(f"sqlalchemy.engine.Engine.{LOGGING_NAME}").addFilter(_not_a_row)


def _not_a_row(record: logging.LogRecord) -> bool:
    return record.levelno > logging.DEBUG


class WriteConflict(Exception):  # noqa: N818  (it never reaches a caller)
    """Another transaction took the place first; the whole transaction is to be tried again, and will see that."""


class Database(Protocol):
    """One database, and the connections to it; any thread may use it.

    Attributes:
        kind: ``"sqlite"`` or ``"postgresql"``.
        name: What it may be called in a message: never the URL.
        one_writer: Whether transactions that write come one after the other, so that what is appended can be
            folded where it is appended; else folding is a transaction of its own, for one worker at a time.
    """

    kind: ClassVar[str]
    one_writer: ClassVar[bool]
    name: str

    def write(self, doing: str, work: Callable[[Connection], T]) -> T:
        """Do ``work`` in one transaction, again from its beginning where another one was in the way.

        Raises:
            StoreUnavailableError: when the database cannot do it now. Both messages begin with ``doing``.
            StoreError: when it never will.
        """
        ...

    def alter(self, doing: str, work: Callable[[Connection], T]) -> T:
        """Write in a transaction that changes tables, and so may take as long as the rows need."""
        ...

    def read(self, doing: str) -> AbstractContextManager[Connection]:
        """A transaction that can change nothing; raises as :meth:`write` does."""
        ...

    def hold_still(self, connection: Connection) -> None:
        """Let all that this transaction reads be of one moment; before it reads anything."""
        ...

    def must_exist(self) -> None:
        """Raise InvalidArgumentError if there is no such database, for those who only look."""
        ...

    def lock_schema(self, connection: Connection) -> None:
        """Take the lock under which tables and routers are created or changed, until the commit."""
        ...

    def lock_journal(self, connection: Connection, key: int, *, wait: bool) -> bool:
        """Whether this transaction alone now folds the journal ``key``."""
        ...

    def arrivals(self, connection: Connection, count: int) -> Sequence[int]:
        """Numbers that only grow, over all workers."""
        ...

    def insert(self, connection: Connection, table: Table, rows: Sequence[Row]) -> int:
        """Insert rows of the same columns; those that are there already are passed over. How many were not."""
        ...

    def number(self, connection: Connection, table: Table, rows: Mapping[int, tuple[int, ...]]) -> None:
        """Give each row, by its primary key, its numbers: decided and learned, or learned alone."""
        ...

    def among(self, column: Column[bytes], name: str) -> ColumnElement[bool]:
        """Whether a column is one of the values, however many, that will be bound to ``name``."""
        ...

    def back_up(self) -> str | None:
        """Copy the whole database and return the path; None for a server, which has backups of its own."""
        ...

    def size(self, connection: Connection) -> int:
        """Return the size of the whole database [bytes]."""
        ...

    def before_fork(self) -> None:
        """Get ready to be copied into a child."""
        ...

    def after_fork(self, *, in_child: bool) -> None:
        """Go on; in the child, without any connection of the parent's."""
        ...

    def dispose(self) -> None:
        """Close every connection."""
        ...
