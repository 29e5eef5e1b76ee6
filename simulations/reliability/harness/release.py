"""The next release of the library, made up: one revision more, and who upgrades a database to it until killed."""

import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from sqlalchemy import Connection, Engine, column, event, table, text, update

from banditroute.core.log import DecisionRecord, LogRecord
from banditroute.errors import StoreError, StoreUnavailableError
from banditroute.store.base import Fold, Resolve
from banditroute.store.databases.base import Database
from banditroute.store.databases.sqlite import Sqlite
from banditroute.store.maintenance import upgrade as upgrading
from banditroute.store.schema import migrations, version
from banditroute.store.semantics.results import WriteResults
from banditroute.store.sql.append import Appender
from banditroute.store.sql.log import RouterLog
from banditroute.store.sql.store import SqlStore
from simulations.reliability.harness.victim import ACK

NEXT = "0003"
REVISIONS = Path(__file__).parent / "revisions"
ADDITIVE, CARELESS = "0003_regions.py", "0003_careless.py"

DONE, HELD_UP, FAILED = 0, 3, 4
"""How a process that upgrades ends, if it is not killed: through; others were in its way; it never will be."""

# One statement sees one moment, and waits for none of the locks of an upgrade.
_SIGNS = {
    "sqlite": text(
        "SELECT (SELECT max(version_num) FROM br_alembic_version) = :next, "
        "EXISTS (SELECT 1 FROM pragma_table_info('br_decision') WHERE name = 'region'), "
        "EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'ix_br_feedback_source'), "
        "EXISTS (SELECT 1 FROM sqlite_master WHERE name = 'br_region')"
    ),
    "postgresql": text(
        "SELECT (SELECT max(version_num) FROM br_alembic_version) = :next, "
        "EXISTS (SELECT 1 FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid "
        "WHERE relname = 'br_decision' AND attname = 'region'), "
        "EXISTS (SELECT 1 FROM pg_class WHERE relname = 'ix_br_feedback_source'), "
        "EXISTS (SELECT 1 FROM pg_class WHERE relname = 'br_region')"
    ),
}
_REGIONS = table("br_decision", column("body"), column("region"))


class _NextAppender(Appender):
    def append(self, connection: Connection, records: Sequence[LogRecord]) -> WriteResults:
        fates = super().append(connection, records)
        bodies = [record.decision_key for record in records if isinstance(record, DecisionRecord)]
        connection.execute(update(_REGIONS).where(_REGIONS.c.body.in_(bodies)).values(region="here"))
        return fates


class NextLedger(RouterLog):
    """Writes the column that the next release adds."""

    def __init__(
        self, database: Database, store_id: str, router_id: int, worker: str, fold: Fold, resolve: Resolve
    ) -> None:
        super().__init__(database, store_id, router_id, worker, fold, resolve)
        self.appender = _NextAppender(database, router_id, worker, resolve)


def scripts(place: Path, revision: str) -> Path:
    """The migrations of a release that has this revision more."""
    shutil.copytree(Path(migrations.__file__).parent, place, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REVISIONS / revision, place / "versions")
    return place


@contextmanager
def installed(place: Path) -> Iterator[None]:
    """Be the next release, with its migrations in ``place``, as long as this lasts."""
    with (
        mock.patch.object(version, "SCHEMA_VERSION", NEXT),
        mock.patch.object(migrations, "__file__", str(place / "__init__.py")),
        mock.patch.object(SqlStore, "ledger", NextLedger),
    ):
        yield


def is_next(database: Database) -> bool | None:
    """Whether a database is of the next release, at one moment; None if it is neither that nor of this one."""
    with database.read("looking") as connection:
        signs = set(map(bool, connection.execute(_SIGNS[database.kind], {"next": NEXT}).one()))
    return signs.pop() if len(signs) == 1 else None


class _Points:
    """Counts the points of an upgrade: its copying of a file, its statements and its commits.

    At the point ``last`` the process is killed: at once, or ``delay`` [s] later, or when that point is over.
    """

    def __init__(self, acks: int, last: int | None, delay: float) -> None:
        self._acks, self._last, self._delay = acks, last, delay
        self._count = 0

    def begin(self, *_: object, **__: object) -> None:
        self.end()
        self._count += 1
        os.write(self._acks, ACK.pack(self._count))
        if self._count == self._last and self._delay:
            threading.Timer(self._delay, _die).start()
        elif self._count == self._last:
            _die()

    def end(self, *_: object, **__: object) -> None:
        if self._count == self._last:
            _die()

    def around(self, work: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: object) -> Any:
            self.begin()
            done = work(*arguments)
            self.end()
            return done

        return counted


def _holding(run: Callable[[Connection], None], seconds: float) -> Callable[[Connection], None]:
    def slow(connection: Connection) -> None:
        run(connection)
        if seconds and connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_sleep(:seconds)"), {"seconds": seconds})
        else:
            time.sleep(seconds)

    return slow


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def upgrade(
    acks: int, url: str, place: Path, last: int | None = None, delay: float = 0.0, hold: float = 0.0
) -> None:
    """Upgrade a database to the next release, and be killed at its point ``last``; run in a child.

    The number of each point goes to ``acks`` when it is reached. The last statement before the commit takes
    ``hold`` [s], as in a log that is long.
    """
    points = _Points(acks, last, delay)
    for name, heard in (
        ("before_cursor_execute", points.begin),
        ("after_cursor_execute", points.end),
        ("commit", points.begin),
    ):
        event.listen(Engine, name, heard)
    with ExitStack() as stack:
        stack.enter_context(installed(place))
        stack.enter_context(mock.patch.object(Sqlite, "back_up", points.around(Sqlite.back_up)))
        stack.enter_context(mock.patch.object(migrations, "run", _holding(migrations.run, hold)))
        try:
            upgrading.upgrade(url)
        except StoreUnavailableError:
            sys.exit(HELD_UP)
        except StoreError:
            sys.exit(FAILED)
    points.end()
