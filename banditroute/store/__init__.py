"""The append-only log of one router, in memory or in a SQL database, for one worker or for many.

:func:`open_store` turns a router's ``store`` argument into a store. SQLAlchemy is loaded only for SQL stores.

Module map, in the order of the imports (a module imports only from rows below its own)::

    maintenance/   operators' commands: setup, upgrade, compact, verify, doctor, views
    memory         MemoryStore, the reference implementation
    sql/           SqlStore: store (public methods), worker (threads, connection), writer (group commit),
                   log (transactions), append, fold, read, erase, settings, base_sums,
                   encode and decode (records and rows), rows (skips corrupted rows)
    spool/         records on local disk while the database is unavailable: commit (when to spool and replay),
                   directory (all spools of a router), file (one spool), codec (bytes), lock
    databases/     base (the protocol of a database), sqlite, postgres, url (picks one), bulk, backup,
                   postgres_timeout
    schema/        tables, version, migrations
    semantics/     rules shared by all stores: limits, merge, order, results, compatibility
    base           the store protocol

To add a database, open these files in this order:

1. ``databases/base.py``: the protocol :class:`~banditroute.store.databases.base.Database` to implement;
2. ``databases/sqlite.py``: the shorter of the two implementations, as an example;
3. ``databases/<name>.py``: your implementation (``databases/bulk.py`` has fast inserts to reuse);
4. ``databases/url.py``: return it for its URLs from ``database_at``;
5. ``tests/store/test_laws.py``: run :class:`~banditroute.testing.StoreLaws` on it.
"""

from pathlib import Path

from banditroute.errors import InvalidArgumentError
from banditroute.store.base import CLOSED, START, Fold, ReportWaitsError, Resolve, Store
from banditroute.store.memory import MemoryStore

__all__ = ["CLOSED", "START", "Fold", "MemoryStore", "ReportWaitsError", "Resolve", "Store", "open_store"]


def open_store(store: "str | Store | None", *, spool: Path | None = None) -> Store:
    """Return the store for ``store``: None is memory, a URL is SQL, and a Store is returned as it is.

    ``spool`` is a directory on local disk where records wait while a SQL database is unavailable. The default is a
    directory next to a SQLite file; for PostgreSQL it is ``BANDITROUTE_SPOOL``, or a directory in the user's state
    directory.

    URLs look like ``"sqlite:///routing.db"`` or ``"postgresql+psycopg://user@host/database"``. No file and no
    connection is opened before the store's ``open``.

    Raises:
        InvalidArgumentError: for a URL of an unsupported database, or an argument of another type.
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
