"""M1 and M2: many processes learn into one router, side by side with what others do."""

import os
import sqlite3
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
from sqlalchemy import Connection, create_engine, select, text

from banditroute.store.schema import tables
from banditroute.store.sql.log import RouterLog
from banditroute.store.sql.store import SqlStore
from simulations.reliability.harness.child import PATIENCE, Child
from simulations.reliability.harness.row import Finding, Tick
from simulations.reliability.harness.victim import ACK, a_pair, opened
from simulations.reliability.rows.crashes import MILLION, journal
from tests.server import own_server

T = TypeVar("T")
TIME = struct.Struct("<d")
STATE_BYTES = 17_000
"""Of the sums of one arm at 64 features."""


HESITATION = 0.003
"""How long one worker waits before each commit, whatever the method [s]."""


class Hesitating(RouterLog):
    """Waits a moment before each commit, as a worker may on a busy machine."""

    def _write(self, doing: str, work: Callable[[Connection], T]) -> T:
        def slowly(connection: Connection) -> T:
            done = work(connection)
            time.sleep(HESITATION)
            return done

        return super()._write(doing, slowly)


class HesitatingStore(SqlStore):
    """A store that commits late."""

    ledger = Hesitating


def append_timed(
    acks: int, kind: type[SqlStore], url: str, first: int, start: tuple[Path, int], seconds: float, depth: int
) -> None:
    """Append for some seconds, so many at a time; each one's number goes to ``acks``, its time to a file."""
    store = kind(url)
    opened(store)
    began = _together(*start)
    times: list[float] = []
    waiting: deque[tuple[int, float, Future[Any]]] = deque()
    number = first
    while time.monotonic() < began + seconds or waiting:
        while len(waiting) < depth and time.monotonic() < began + seconds:
            number += 1
            appended = time.perf_counter()
            stored = store.append(a_pair(number))
            stored.add_done_callback(_timed(times, appended))
            waiting.append((number, appended, stored))
        done, _, stored = waiting.popleft()
        stored.result(timeout=PATIENCE)
        os.write(acks, ACK.pack(done))
    _note(start[0], times)
    store.close()


def _timed(times: list[float], since: float) -> Callable[[Future[Any]], None]:
    return lambda _: times.append(time.perf_counter() - since)


def lock_row(acks: int, url: str, first: int, start: tuple[Path, int], seconds: float, hesitation: float) -> None:
    """What is done where the row of the sums is locked: read it for update, change it, write it, log, commit."""
    engine = create_engine(url, pool_size=1)
    with engine.connect() as connection:
        began, times, number = _together(*start), [], first
        while time.monotonic() < began + seconds:
            number += 1
            before = time.perf_counter()
            blob = connection.execute(text("SELECT blob FROM sums FOR UPDATE")).scalar_one()
            sums = np.frombuffer(blob, np.int64) + 1
            connection.execute(text("UPDATE sums SET blob = :blob"), {"blob": sums.tobytes()})
            connection.execute(text("INSERT INTO log VALUES (:number, :x)"), {"number": number, "x": bytes(256)})
            if hesitation:
                time.sleep(hesitation)
            connection.commit()
            times.append(time.perf_counter() - before)
            os.write(acks, ACK.pack(number))
    _note(start[0], times)
    engine.dispose()


def wait_busily(acks: int, path: Path, first: int, start: tuple[Path, int], seconds: float) -> None:
    """What is done with SQLite's own ``busy_timeout``: a transaction for each feedback."""
    with closing(sqlite3.connect(path, timeout=10.0, isolation_level=None)) as database:
        database.execute("PRAGMA synchronous = FULL")
        began, times, number = _together(*start), [], first
        while time.monotonic() < began + seconds:
            number += 1
            before = time.perf_counter()
            database.execute("BEGIN IMMEDIATE")
            database.execute("INSERT INTO log VALUES (?, ?)", (number, bytes(256)))
            database.execute("UPDATE sums SET blob = ?", (bytes(STATE_BYTES),))
            database.execute("COMMIT")
            times.append(time.perf_counter() - before)
            os.write(acks, ACK.pack(number))
    _note(start[0], times)


def _together(place: Path, count: int) -> float:
    """Wait until all are there; when that was."""
    (place / f"{os.getpid()}.ready").touch()
    deadline = time.monotonic() + PATIENCE
    while len(list(place.glob("*.ready"))) < count:
        if time.monotonic() > deadline:
            raise TimeoutError("the others do not come")
        time.sleep(0.01)
    return time.monotonic()


def _note(place: Path, times: Sequence[float]) -> None:
    (place / f"{os.getpid()}.times").write_bytes(b"".join(map(TIME.pack, times)))


@dataclass(frozen=True, slots=True)
class Shared:
    """What some processes did together: the numbers acknowledged, and the times of each process [s]."""

    acknowledged: frozenset[int]
    times: tuple[tuple[float, ...], ...]

    @property
    def every(self) -> list[float]:
        """The times of all."""
        return [each for times in self.times for each in times]


def run(place: Path, count: int, begin: Callable[[int, tuple[Path, int]], Child]) -> Shared:
    """Run so many processes at once, in an empty directory ``place``; ``begin`` starts one, given its number."""
    place.mkdir(parents=True)
    children = [begin(number, (place, count)) for number in range(count)]
    try:
        acknowledged = frozenset[int]().union(
            *(child.acknowledged_until_dead(kill_after=None) for child in children)
        )
    finally:
        for child in children:
            child.end()
    times = tuple(
        tuple(value for (value,) in TIME.iter_unpack(path.read_bytes())) for path in place.glob("*.times")
    )
    if len(times) != count:
        raise RuntimeError(f"{count - len(times)} of {count} processes died")
    return Shared(acknowledged, times)


@contextmanager
def watermark(url: str) -> Iterator[set[int]]:
    """The mistake that the pending marker avoids: to remember the last row that was seen; what it sees."""
    seen: set[int] = set()
    engine, over = create_engine(url), threading.Event()
    feedback = tables.feedback.c

    def look() -> None:
        last = 0
        while True:
            ending = over.is_set()
            with engine.connect() as connection:
                query = select(feedback.feedback_id, feedback.body).where(feedback.feedback_id > last)
                for number, body in connection.execute(query.order_by(feedback.feedback_id)):
                    last = number
                    seen.add(int.from_bytes(body, "big"))
            if ending:
                return
            over.wait(0.002)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()
        engine.dispose()


@dataclass(frozen=True, slots=True)
class Sharing:
    """So many processes on each database, one of them slow before each commit; then as many that lock the row."""

    id: ClassVar[str] = "M1"
    does: ClassVar[str] = "4, 6 and 8 processes learn into one router, SQLite and PostgreSQL, one slow to commit"
    asks: ClassVar[str] = "0 lost, 0 double, state = replay; PostgreSQL: p99 < 50 ms, ≥ 3 × SELECT … FOR UPDATE"
    control: ClassVar[str] = "a reader of `id > last` loses"

    processes: tuple[int, ...] = (4, 6, 8)
    seconds: float = 4.0
    depth: int = 8
    longest_ms: float = 50.0
    least_times: float = 3.0
    least_overtaken: int = 1

    def measure(self, place: Path, tick: Tick) -> Finding:
        """Append, look, compare."""
        server = own_server()
        acknowledged = wrong = overtaken = done = 0
        slowest, ratios, rates = [], [], []
        for count in self.processes:
            for url in (f"sqlite:///{place}/{count}.db", server.new_database()):
                store = SqlStore(url)
                opened(store)
                store.close()
                own = url.startswith("postgres")
                if own:
                    found = self._append(place / f"postgres-{count}", url, count)
                    overtaken += self._overtaken(place / f"watermark-{count}", server.new_database(), count)
                    locked = self._lock(place / f"locked-{count}", server.new_database(), count)
                    ratios.append(len(found.every) / max(len(locked.every), 1))
                    rates.append(f"{len(found.every) / self.seconds:.0f}")
                    slowest.append(float(np.quantile(found.every, 0.99)) * 1e3)
                else:
                    found = self._append(place / f"sqlite-{count}", url, count)
                left = journal(url)
                acknowledged += len(found.acknowledged)
                wrong += len(found.acknowledged ^ set(left.numbers)) + left.twice + left.holes + left.differs
                tick(done := done + 1, 2 * len(self.processes))
        measured: dict[str, float | str] = {
            "acknowledged": acknowledged,
            "lost, double, or state ≠ replay": wrong,
            "feedbacks/s on PostgreSQL": " / ".join(rates),
            "p99 there [ms]": " / ".join(f"{each:.0f}" for each in slowest),
            "× the row lock, at least": min(ratios),
        }
        holds = not wrong and max(slowest) < self.longest_ms and min(ratios) >= self.least_times
        return Finding(measured, holds, {"lost": overtaken}, overtaken >= self.least_overtaken)

    def _append(self, place: Path, url: str, count: int) -> Shared:
        def begin(number: int, start: tuple[Path, int]) -> Child:
            kind = HesitatingStore if number == 0 else SqlStore
            return Child.start(append_timed, kind, url, MILLION * (number + 1), start, self.seconds, self.depth)

        return run(place, count, begin)

    def _overtaken(self, place: Path, url: str, count: int) -> int:
        """How many a reader of ``id > last`` misses; it would take time from the others, and runs by itself."""
        store = SqlStore(url)
        opened(store)
        store.close()
        with watermark(url) as seen:
            found = self._append(place, url, count)
        return len(found.acknowledged - seen)

    def _lock(self, place: Path, url: str, count: int) -> Shared:
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE sums (blob bytea)"))
            connection.execute(text("CREATE TABLE log (number bigint, x bytea)"))
            connection.execute(text("INSERT INTO sums VALUES (:blob)"), {"blob": bytes(STATE_BYTES)})
        engine.dispose()
        return run(
            place,
            count,
            lambda number, start: Child.start(
                lock_row, url, MILLION * (number + 1), start, self.seconds, 0.0 if number else HESITATION
            ),
        )


@dataclass(frozen=True, slots=True)
class Fairness:
    """So many processes on one file, for so many seconds."""

    id: ClassVar[str] = "M2"
    does: ClassVar[str] = "SQLite: 6 processes learn into one router as fast as they can"
    asks: ClassVar[str] = "longest wait < 1 s, the slowest process > half of the fastest"
    control: ClassVar[str] = "`busy_timeout` starves some"

    processes: int = 6
    seconds: float = 6.0
    longest_s: float = 1.0
    least_share: float = 0.5
    must_starve: bool = True

    def measure(self, place: Path, tick: Tick) -> Finding:
        """Append, and look who got how much."""
        url = f"sqlite:///{place}/shared.db"
        store = SqlStore(url)
        opened(store)
        store.close()
        ours = run(
            place / "ours",
            self.processes,
            lambda number, start: Child.start(
                append_timed, SqlStore, url, MILLION * (number + 1), start, self.seconds, 1
            ),
        )
        tick(1, 2)
        path = place / "busy.db"
        with closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA journal_mode = WAL")
            database.executescript("CREATE TABLE log (number, x); CREATE TABLE sums (blob)")
            with database:
                database.execute("INSERT INTO sums VALUES (?)", (bytes(STATE_BYTES),))
        busy = run(
            place / "busy",
            self.processes,
            lambda number, start: Child.start(wait_busily, path, MILLION * (number + 1), start, self.seconds),
        )
        return Finding(
            _figures(ours), self._fair(ours), _figures(busy), not self._fair(busy) or not self.must_starve
        )

    def _fair(self, shared: Shared) -> bool:
        return max(shared.every) < self.longest_s and _share(shared) > self.least_share


def _share(shared: Shared) -> float:
    counts = [len(times) for times in shared.times]
    return min(counts) / max(counts)


def _figures(shared: Shared) -> dict[str, float | str]:
    return {
        "feedbacks": len(shared.every),
        "p99.9 [ms]": float(np.quantile(shared.every, 0.999)) * 1e3,
        "longest wait [ms]": max(shared.every) * 1e3,
        "of the fastest": _share(shared),
    }
