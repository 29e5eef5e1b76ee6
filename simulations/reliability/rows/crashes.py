"""K3: workers on one PostgreSQL are killed at any moment, and its server crashes."""

import hashlib
import itertools
import random
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from sqlalchemy import make_url, select

from banditroute.core.log import FeedbackRecord, StateKey
from banditroute.store.schema import tables
from banditroute.store.sql.read import arm_ids
from banditroute.store.sql.store import SqlStore
from simulations.reliability.harness.child import PATIENCE, Child
from simulations.reliability.harness.quiet import quiet
from simulations.reliability.harness.row import Finding, Tick
from simulations.reliability.harness.victim import FOLD, append_to_share, opened
from tests.server import own_server

MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class StoredLog:
    """What is in a router's log, and what is wrong with it.

    Attributes:
        numbers: Of all learned feedback, in the order of the journal.
        holes: Numbers of the journal that are missing or there twice, and lines of the ledger that do not meet.
        differs: Whether its sums are not, bit for bit, those of the log folded again.
    """

    numbers: tuple[int, ...]
    holes: int
    differs: bool

    @property
    def twice(self) -> int:
        """How many feedbacks were learned more than once."""
        return sum(count - 1 for count in Counter(self.numbers).values())


def journal(url: str) -> StoredLog:
    """Read the log of the victims' router."""
    store = SqlStore(url)
    opened(store)
    store.flush()
    feedback = [record for record in store.events() if isinstance(record, FeedbackRecord)]
    with store.database.read("looking") as connection:
        names = arm_ids(connection, 1).names
        state, fold = tables.state.c, tables.fold.c
        rows = connection.execute(
            select(state.arm_id, state.objective_group, state.epoch, state.blob, state.sha256)
        ).all()
        folds = connection.execute(select(fold.first_seq, fold.last_seq).order_by(fold.fold_no)).all()
    store.close()
    learned = [record.number for record in feedback]
    folded = [number for first, last in folds for number in range(first, last + 1)]
    whole = range(1, len(feedback) + 1)
    holes = sum(a != b for a, b in zip(learned, whole, strict=True)) + abs(len(folded) - len(learned))
    holes += sum(a != b for a, b in zip(folded, whole, strict=False))
    sums = {StateKey(names[row[0]], row[1], row[2]): row[3] for row in rows}
    differs = sums != FOLD({}, feedback) or any(hashlib.sha256(row[3]).digest() != row[4] for row in rows)
    return StoredLog(tuple(int.from_bytes(record.decision_key, "big") for record in feedback), holes, differs)


@dataclass(frozen=True, slots=True)
class Crashes:
    """So many kills, of one of so many workers each, and crashes of the server in between."""

    id: ClassVar[str] = "K3"
    does: ClassVar[str] = "PostgreSQL: `kill -9` of workers and crashes of the server, some deliveries twice"
    asks: ClassVar[str] = "0 acknowledged lost, 0 double, journal gapless, state bitwise = replay"
    control: ClassVar[str] = "`synchronous_commit=off` loses"

    kills: int = 150
    crashes: int = 6
    workers: int = 5
    duplicates: float = 0.05
    control_crashes: int = 12
    longest: float = 0.2

    @quiet()
    def measure(self, place: Path, tick: Tick) -> Finding:  # noqa: ARG002  (the server has a place of its own)
        """Kill, crash, look."""
        server = own_server()
        url = server.new_database()
        acknowledged = self._lived(url, tick)
        found = journal(url)
        lost = len(acknowledged - set(found.numbers))
        measured = {
            "kills": self.kills,
            "crashes of the server": self.crashes,
            "acknowledged": len(acknowledged),
            "lost": lost,
            "double": found.twice,
            "gaps": found.holes,
            "state ≠ replay": int(found.differs),
        }
        holds = not (lost or found.twice or found.holes or found.differs) and len(acknowledged) >= self.kills
        lost, crashes = self._asleep()
        return Finding(measured, holds, {"crashes of the server": crashes, "lost": lost}, lost > 0)

    def _lived(self, url: str, tick: Tick) -> set[int]:
        """Each kill takes the oldest worker, and a new one takes its place; what was acknowledged to all."""
        moments = random.Random(20261124)  # noqa: S311  (moments, no secrets)
        store = SqlStore(url)
        opened(store)
        store.close()
        at = Counter((crash + 1) * self.kills // (self.crashes + 1) for crash in range(self.crashes))
        started = itertools.count(1)
        children = [self._start(url, next(started)) for _ in range(self.workers)]
        acknowledged: set[int] = set()
        try:
            for kill in range(self.kills):
                wait = moments.uniform(0.0, self.longest)
                acknowledged |= children.pop(0).acknowledged_until_dead(kill_after=wait)
                for _ in range(at[kill]):
                    with own_server().down():
                        pass
                children.append(self._start(url, next(started)))
                tick(kill + 1, self.kills + 1)
            while children:
                acknowledged |= children.pop(0).acknowledged_until_dead(kill_after=0.0)
        finally:
            for child in children:
                child.end()
        return acknowledged

    def _asleep(self) -> tuple[int, int]:
        """Crash a server that acknowledges before it syncs until something is lost: how much, after how many."""
        server = own_server()
        for crash in range(1, self.control_crashes + 1):
            plain = make_url(server.new_database())
            url = plain.update_query_dict({"options": "-c synchronous_commit=off"})
            children = [
                Child.start(append_to_share, url.render_as_string(hide_password=False), MILLION * number, 0.0)
                for number in range(1, 3)
            ]
            for child in children:
                child.acks.poll(PATIENCE)
            time.sleep(0.3)
            with server.down():
                acknowledged = set[int]().union(
                    *(child.acknowledged_until_dead(kill_after=0.0) for child in children)
                )
            found = journal(plain.render_as_string(hide_password=False))
            if lost := len(acknowledged - set(found.numbers)):
                return lost, crash
        return 0, self.control_crashes

    def _start(self, url: str, number: int) -> Child:
        return Child.start(append_to_share, url, MILLION * number, self.duplicates)
