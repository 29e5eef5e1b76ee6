"""A process that appends as fast as it can until it is killed; run in a child."""

import itertools
import logging
import os
import random
import sqlite3
import struct
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import closing
from typing import Any, ClassVar

import numpy as np
from sqlalchemy import Connection, event

from banditroute.core.log import LogRecord
from banditroute.core.receipt import ReceiptStatus
from banditroute.core.spec import StoredRouter
from banditroute.errors import StoreUnavailableError
from banditroute.learning import folder
from banditroute.store.base import Fold, Resolve
from banditroute.store.databases.base import Database
from banditroute.store.databases.sqlite import Sqlite
from banditroute.store.semantics.results import WriteResults
from banditroute.store.sql.log import RouterLog
from banditroute.store.sql.store import SqlStore
from banditroute.testing import ARMS, PREFERENCES, SECRET, SPEC, a_decision, feedback_of
from banditroute.testing.records import reporting

ACK = struct.Struct("<q")
FOLD = folder({"quality": 1})
CHECKPOINT_PAGES = 150
_WAITING = 600


def opened(store: SqlStore) -> StoredRouter:
    """Open the store for the router of the victims, whose sums are real ones."""
    return store.open(SPEC, ARMS, PREFERENCES, secret=SECRET, fold=FOLD, resolve=reporting)


class StateLater(RouterLog):
    """The mistake that the ledger avoids: the sums move in a transaction of their own."""

    def __call__(self, records: Sequence[LogRecord]) -> WriteResults:
        """Two transactions, and a moment between them."""

        def log(connection: Connection) -> tuple[WriteResults, tuple[int, int]]:
            fates = self.appender.append(connection, records)
            behind, (up_to, _) = self.folder.number(connection)
            return fates, (behind, up_to)

        fates, learned = self._database.write("log", log)
        # The gap is there without this, but a busy machine may not hit it in fifty kills.
        threading.Event().wait(0.030)
        self._database.write("state", lambda connection: self.folder.learn(connection, *learned))
        return fates


class SplitStore(SqlStore):
    """Keeps the log and the sums in two transactions."""

    ledger = StateLater


class Synchronous(RouterLog):
    """The ledger at another level of ``PRAGMA synchronous``, with checkpoints often enough to be met."""

    level: ClassVar[str] = "FULL"

    def __init__(
        self, database: Database, store_id: str, router_id: int, worker: str, fold: Fold, resolve: Resolve
    ) -> None:
        super().__init__(database, store_id, router_id, worker, fold, resolve)
        assert isinstance(database, Sqlite)
        engine = database.writing
        # The tables reach the disk before anything is risked: what is lost without them is lost in one way only.
        with closing(engine.raw_connection()) as connection:
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        event.listen(engine, "checkout", self._set_level)

    def _set_level(self, connection: sqlite3.Connection, _record: object, _proxy: object) -> None:
        connection.execute(f"PRAGMA synchronous = {self.level}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")


class SynchronousNormal(Synchronous):
    """Commits are in order on the disk, the last of them perhaps not."""

    level = "NORMAL"


class SynchronousOff(Synchronous):
    """The disk does as it likes."""

    level = "OFF"


class FullStore(SqlStore):
    """``synchronous = FULL``, the library's own level, with frequent checkpoints."""

    ledger = Synchronous


class NormalStore(SqlStore):
    """``synchronous = NORMAL``."""

    ledger = SynchronousNormal


class OffStore(SqlStore):
    """``synchronous = OFF``."""

    ledger = SynchronousOff


def append_for_ever(acks: int, url: str, kind: type[SqlStore] = SqlStore, appends: int | None = None) -> None:
    """Write the number of each durable feedback to the pipe ``acks``; stop after ``appends``, without closing."""
    store = kind(url)
    number = opened(store).end.n_feedback
    waiting: deque[Future[ReceiptStatus]] = deque()
    while appends is None or number < appends:
        number += 1
        decision = a_decision(number, number - 1)
        stored = store.append([decision, feedback_of(decision, number)])
        stored.add_done_callback(_acknowledge(acks, number))
        waiting.append(stored)
        if len(waiting) > _WAITING:
            waiting.popleft().result(timeout=30)
    # Keeps the store from being collected, and thereby closed, before the interpreter ends.
    _left_open.append(store)


def a_pair(number: int) -> list[LogRecord]:
    """A decision with its feedback; however large their number, what is learned stays in its range."""
    row = np.array([number % 1_000, number % 7, 0, 1 << 15], np.int32)
    decision = a_decision(number, row=row)
    return [decision, feedback_of(decision, number % 1_000)]


def append_to_share(acks: int, url: str, first: int, again: float = 1.0) -> None:
    """The same beside other workers, with numbers from ``first`` on; a share of it is said ``again``."""
    logging.getLogger("banditroute").setLevel(logging.CRITICAL)
    chance = random.Random(first)  # noqa: S311  (no secrets)
    store = SqlStore(url)
    while True:
        try:
            opened(store)
            break
        except StoreUnavailableError:
            # The server may be down in this moment, too.
            time.sleep(0.1)
    for start in itertools.count(first, 8):
        said = [(number, a_pair(number)) for number in range(start, start + 8)]
        stored = [(number, store.append(records)) for number, records in said]
        for (number, future), (_, records) in zip(stored, said, strict=True):
            while isinstance(future.exception(timeout=30), StoreUnavailableError):
                future = store.append(records)
            future.result()
            os.write(acks, ACK.pack(number))
            if chance.random() < again:
                store.append(records)


_left_open: list[SqlStore] = []


def _acknowledge(acks: int, number: int) -> Callable[[Future[Any]], None]:
    def write(stored: Future[Any]) -> None:
        if stored.exception() is None:
            os.write(acks, ACK.pack(number))

    return write


if __name__ == "__main__":
    append_for_ever(
        int(sys.argv[2]), sys.argv[1], {s.__name__: s for s in (FullStore, NormalStore, OffStore)}[sys.argv[3]]
    )
