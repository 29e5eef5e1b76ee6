"""A process that appends as fast as it can until it is killed; run in a child."""

import itertools
import os
import struct
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from sqlalchemy import Connection

from banditroute.errors import StoreUnavailableError
from banditroute.records import LogRecord, ReceiptStatus
from banditroute.store.fates import Fates
from banditroute.store.ledger import Ledger
from banditroute.store.sql import SqlStore
from banditroute.testing import a_decision, feedback_of, open_router

ACK = struct.Struct("<q")


class StateLater(Ledger):
    """The mistake that the ledger avoids: the sums move in a transaction of their own."""

    def __call__(self, records: Sequence[LogRecord]) -> Fates:
        def log(connection: Connection) -> tuple[Fates, tuple[int, int]]:
            fates = self._appender.append(connection, records)
            behind, (up_to, _) = self._folder.number(connection)
            return fates, (behind, up_to)

        fates, learned = self._database.write("log", log)
        # The gap is there without this, but a busy machine may not hit it in fifty kills.
        threading.Event().wait(0.030)
        self._database.write("state", lambda connection: self._folder.learn(connection, *learned))
        return fates


class SplitStore(SqlStore):
    ledger = StateLater


def append_for_ever(acks: int, url: str, kind: type[SqlStore] = SqlStore, appends: int | None = None) -> None:
    """Write the number of each durable feedback to the pipe ``acks``; stop after ``appends``, without closing."""
    store = kind(url)
    number = open_router(store).end.learned
    waiting: deque[Future[ReceiptStatus]] = deque()
    while appends is None or number < appends:
        number += 1
        decision = a_decision(number, number - 1)
        stored = store.append([decision, feedback_of(decision, number)])
        stored.add_done_callback(_acknowledge(acks, number))
        waiting.append(stored)
        if len(waiting) > 600:
            waiting.popleft().result(timeout=30)
    # Keeps the store from being collected, and thereby closed, before the interpreter ends.
    _left_open.append(store)


def append_to_share(acks: int, url: str, first: int) -> None:
    """The same beside other workers, with numbers from ``first`` on; all is said until it is taken, and again."""
    store = SqlStore(url)
    open_router(store)
    for start in itertools.count(first, 8):
        said: list[tuple[int, list[LogRecord]]] = []
        for number in range(start, start + 8):
            decision = a_decision(number)
            said.append((number, [decision, feedback_of(decision, number % 1_000)]))
        stored = [(number, store.append(records)) for number, records in said]
        for (number, future), (_, records) in zip(stored, said, strict=True):
            while isinstance(future.exception(timeout=30), StoreUnavailableError):
                future = store.append(records)
            future.result()
            os.write(acks, ACK.pack(number))
            store.append(records)


_left_open: list[SqlStore] = []


def _acknowledge(acks: int, number: int) -> Callable[[Future[Any]], None]:
    def write(stored: Future[Any]) -> None:
        if stored.exception() is None:
            os.write(acks, ACK.pack(number))

    return write
