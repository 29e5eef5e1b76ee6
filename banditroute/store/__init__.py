"""The append-only log of one router, in memory or in SQL, for one worker or many.

:func:`open_store` turns the ``store`` argument of a router into a store. SQLAlchemy is loaded only for SQL.

===============  ==========================================================================================
``base``         the store protocol
``memory``       the store in memory
``semantics/``   the meaning of records, without SQL: limits, merging, order, results, compatibility
``sql/``         the store in SQL: append, fold, read; the writing thread; the open worker
``schema/``      tables, the schema version, migrations
``databases/``   SQLite and PostgreSQL: connections, transactions, locks; a new database is one file here
``spool/``       local files in which records wait while the database is unavailable
``maintenance/`` commands for operators: set up, upgrade, verify, compact, diagnose
===============  ==========================================================================================
"""

from pathlib import Path

from banditroute.errors import InvalidArgumentError
from banditroute.store.base import START, Fold, Resolve, Store
from banditroute.store.memory import MemoryStore

__all__ = ["START", "Fold", "MemoryStore", "Resolve", "Store", "open_store"]


def open_store(store: "str | Store | None", *, spool: Path | None = None) -> Store:
    """The store behind ``store``: None is memory, a URL is SQL.

    ``spool`` is a directory on local disk where records wait while a SQL database is away; by default one beside
    a SQLite file, and for PostgreSQL ``BANDITROUTE_SPOOL`` or one below the user's state directory.

    URLs look like ``"sqlite:///routing.db"`` or ``"postgresql+psycopg://user@host/database"``. Nothing is touched
    before the store's ``open``.

    Raises:
        InvalidArgumentError: for a URL that names no supported database, or something else altogether.
    """
    if store is None:
        return MemoryStore()
    if isinstance(store, str):
        from banditroute.store.databases.url import default_spool
        from banditroute.store.sql.store import SqlStore

        return SqlStore(store, spool=default_spool(store) if spool is None else spool)
    methods = ("open", "append", "flush", "end", "events", "changed", "decision", "health", "close")
    if not all(callable(getattr(store, name, None)) for name in methods):
        raise InvalidArgumentError(f"store must be a URL, a Store or None, got {type(store).__name__}")
    return store
