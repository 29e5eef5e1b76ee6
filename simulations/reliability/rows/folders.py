"""M3: several processes fold one journal, and a process in the middle of a fold is killed."""

import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path
from typing import ClassVar

from sqlalchemy import Connection

from banditroute.errors import StoreError
from banditroute.store.sql.log import RouterLog
from banditroute.store.sql.store import SqlStore
from simulations.reliability.harness.child import PATIENCE, Child
from simulations.reliability.harness.quiet import quiet
from simulations.reliability.harness.row import Finding, Tick
from simulations.reliability.harness.victim import ACK, a_pair, opened
from simulations.reliability.rows.crashes import journal
from tests.server import own_server

FOLDERS = 2
HESITATION = 0.05
BATCH = 4


class Hesitating(RouterLog):
    """Says that it is in the middle of a fold, and waits a moment before the commit."""

    told: ClassVar[int] = -1

    def _fold_some(self, connection: Connection, limit: int) -> int:
        count = super()._fold_some(connection, limit)
        if count:
            os.write(self.told, ACK.pack(count))
            time.sleep(HESITATION)
        return count


class Unlocked(Hesitating):
    """The mistake that the ledger avoids: it folds even if another process folds."""

    def _fold(self, limit: int, *, wait: bool) -> int:  # noqa: ARG002  (there is nothing to wait for)
        # A key that is taken already stops one of two, now and then.
        with suppress(StoreError):
            return self._write("log not folded", lambda connection: self._fold_some(connection, limit))
        return 0


class HesitatingStore(SqlStore):
    """A store that folds slowly."""

    ledger = Hesitating


class UnlockedStore(SqlStore):
    """A store that folds slowly, and beside others."""

    ledger = Unlocked


def fold_until_killed(acks: int, kind: type[SqlStore], url: str) -> None:
    """Fold whatever is appended; a number goes to ``acks`` before the first fold, and in the middle of each."""
    Hesitating.told = acks
    store = kind(url)
    opened(store)
    assert store.worker is not None
    assert store.worker.folder is not None
    store.worker.folder.stop()
    os.write(acks, ACK.pack(0))
    while True:
        _log_of(store).help_folding()
        time.sleep(0.002)


def _log_of(store: SqlStore) -> RouterLog:
    assert store.worker is not None
    return store.worker.folding


def _in_the_middle(children: list[Child]) -> Child:
    """The one that folds."""
    ready = wait([child.acks for child in children], PATIENCE)
    if not ready:
        raise TimeoutError("no worker folds")
    return next(child for child in children if child.acks in ready)


class Appending:
    """Appends to the journal and leaves it to others to fold it."""

    def __init__(self, url: str) -> None:
        self._store = SqlStore(url)
        opened(self._store)
        assert self._store.worker is not None
        assert self._store.worker.folder is not None
        self._store.worker.folder.stop()
        self.count = 0

    def append(self) -> None:
        """Some feedbacks more."""
        for _ in range(BATCH):
            self.count += 1
            _log_of(self._store)(a_pair(self.count))

    @property
    def is_folded(self) -> bool:
        """Whether all of it is."""
        return self._store.end().n_feedback == self.count

    def until_folded(self) -> float:
        """Wait until all of it is folded; how long that took [s]."""
        began = time.monotonic()
        while not self.is_folded:
            if time.monotonic() > began + PATIENCE:
                raise TimeoutError("no worker folds")
            time.sleep(0.002)
        return time.monotonic() - began


def _folder(kind: type[SqlStore], url: str) -> Child:
    """A process that folds, as soon as it is ready to."""
    child = Child.start(fold_until_killed, kind, url)
    if not child.acks.poll(PATIENCE):
        raise TimeoutError("a folder does not start")
    _hear(child)
    return child


def _hear(child: Child) -> None:
    """Leave nothing that it said before in its pipe."""
    while child.acks.poll(0) and os.read(child.acks.fileno(), 1 << 16):
        pass


@contextmanager
def folding(kind: type[SqlStore], url: str) -> Iterator[list[Child]]:
    """Start processes that fold; a caller that removes one from the list must add a new one."""
    children = [_folder(kind, url) for _ in range(FOLDERS)]
    try:
        yield children
    finally:
        for child in children:
            child.end()


@dataclass(frozen=True, slots=True)
class Folders:
    """So many kills, each in the middle of a fold; the control folds so many rows."""

    id: ClassVar[str] = "M3"
    does: ClassVar[str] = "PostgreSQL: two processes fold one journal; the one in the middle of a fold is killed"
    asks: ClassVar[str] = "every row folded once, state bitwise = replay, lock never stuck > 1 s after a kill"
    control: ClassVar[str] = "without the journal's lock rows are folded twice"

    kills: int = 100
    longest_s: float = 1.0
    # All of one epoch: sums that are not there yet cannot be moved twice.
    control_rows: int = 96

    @quiet()
    def measure(self, place: Path, tick: Tick) -> Finding:  # noqa: ARG002  (the server has a place of its own)
        """Append, kill, wait, look."""
        server = own_server()
        url = server.new_database()
        rows, cut_short, longest = self._killed(url, tick)
        found = journal(url)
        lost = len(set(range(1, rows + 1)) ^ set(found.numbers))
        measured = {
            "kills": self.kills,
            "folds cut short": cut_short,
            "rows": rows,
            "lost": lost,
            "folded twice, or never": found.twice + found.holes,
            "state ≠ replay": int(found.differs),
            "longest until folded after a kill [ms]": longest * 1e3,
        }
        wrong = lost or found.twice or found.holes or found.differs
        holds = not wrong and cut_short > 0 and longest < self.longest_s
        url = server.new_database()
        self._beside_each_other(url)
        raced = journal(url)
        control = {"folded twice": raced.holes, "state ≠ replay": int(raced.differs)}
        return Finding(measured, holds, control, raced.holes > 0 and raced.differs)

    def _killed(self, url: str, tick: Tick) -> tuple[int, int, float]:
        """How many rows were appended and folds cut short; and how long rows then waited at most [s]."""
        moments = random.Random(20261125)  # noqa: S311  (moments, no secrets)
        journal, cut_short, longest = Appending(url), 0, 0.0
        with folding(HesitatingStore, url) as children:
            for kill in range(self.kills):
                journal.append()
                child = _in_the_middle(children)
                time.sleep(moments.uniform(0.0, HESITATION / 2))
                child.end()
                cut_short += not journal.is_folded
                longest = max(longest, journal.until_folded())
                children[children.index(child)] = _folder(HesitatingStore, url)
                for each in children:
                    _hear(each)
                tick(kill + 1, self.kills + 1)
        return journal.count, cut_short, longest

    def _beside_each_other(self, url: str) -> None:
        journal = Appending(url)
        with folding(UnlockedStore, url):
            while journal.count < self.control_rows:
                journal.append()
                journal.until_folded()
