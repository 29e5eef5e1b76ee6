"""A database on its way from one version of the library to the next, and who works on it meanwhile."""

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from sqlalchemy import text

from banditroute.errors import BanditRouteError, StoreUnavailableError
from banditroute.router.log_check import fold_of
from banditroute.store.databases.base import Database
from banditroute.store.databases.url import database_at
from banditroute.store.maintenance.verify import verify
from banditroute.store.schema.version import SCHEMA_VERSION
from simulations.reliability.harness import release
from simulations.reliability.harness.child import Child, numbers
from simulations.reliability.rows.outage import DIMENSION, PATIENCE, ROUTER, a_worker, routes, serve, stored

TEN_MILLION = 10_000_000
NEVER_S = 3_600.0
LOOK_S = 0.02
TRIES = 10
"""How often others may be in the way of an upgrade before it counts as one that never gets through."""

OPENED = "opened"
TOO_NEW = f"database schema {release.NEXT} is newer than this library ({SCHEMA_VERSION}); upgrade banditroute"
TOO_OLD = f"database schema {SCHEMA_VERSION} is older than {release.NEXT}; run 'banditroute db upgrade'"


class Watch:
    """Looks at a database again and again, and counts what must not be seen.

    Attributes:
        halves: How often it was neither of the one version nor of the other.
        back: How often it was of the old one after it had been of the new one.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._one = threading.Lock()
        self._over = threading.Event()
        self._is_next: bool | None = False
        self.looks = self.halves = self.back = 0

    def look(self) -> bool | None:
        """Whether it is of the next version; None if it is half."""
        with self._one:
            before, self._is_next = self._is_next, release.is_next(self._database)
            self.looks += 1
            self.halves += self._is_next is None
            self.back += before is True and self._is_next is False
            return self._is_next

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look all the time, in a thread, as long as this lasts."""
        thread = threading.Thread(target=self._watch, name="watch")
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()
            self._database.dispose()

    def _watch(self) -> None:
        while not self._over.wait(LOOK_S):
            with suppress(StoreUnavailableError):
                self.look()


def serve_next(acks: int, scripts: Path, *arguments: object) -> None:
    """Serve as a worker of the next version does."""
    with release.installed(scripts):
        serve(acks, *arguments)  # type: ignore[arg-type]


def said_at_opening(url: str, spool: Path) -> str:
    """Open a worker, route once, close it, and return what it reports."""
    try:
        with a_worker(url, spool) as router:
            router.route(np.zeros(DIMENSION))
    except BanditRouteError as error:
        return str(error)
    return OPENED


class Crew:
    """Workers, each with somebody who listens: a pipe that is full would stop them."""

    def __init__(self) -> None:
        self._children: list[Child] = []
        self._listeners = ThreadPoolExecutor()
        self._received: list[bytearray] = []
        self._heard: list[Future[None]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for child in self._children:
            child.process.kill()
        self._listeners.shutdown()

    def join(self, work: Callable[..., None], *arguments: object) -> None:
        """One worker more."""
        self._children.append(child := Child.start(work, *arguments))
        self._received.append(received := bytearray())
        self._heard.append(self._listeners.submit(_listen, child, received))

    def until_at_work(self) -> None:
        """Wait until something was acknowledged to each."""
        deadline = time.monotonic() + PATIENCE
        while not all(self._received):
            if time.monotonic() > deadline:
                raise TimeoutError("the workers do not start")
            time.sleep(0.02)

    def acknowledged(self) -> set[int]:
        """What was acknowledged to all of them, once they have come to their end."""
        for each in self._heard:
            each.result()
        if any(child.process.exitcode for child in self._children):
            raise RuntimeError("a worker died")
        return set[int]().union(*(numbers(bytes(received)) for received in self._received))


def _listen(child: Child, received: bytearray) -> None:
    # However long it is silent: nothing is acknowledged where an upgrade broke what workers write.
    while chunk := os.read(child.acks.fileno(), 1 << 16):
        received += chunk
    child.process.join(PATIENCE)
    child.acks.close()


@dataclass(frozen=True, slots=True)
class Life:
    """One database from the one version to the other, and who works on it meanwhile."""

    url: str
    place: Path
    scripts: Path
    workers: int
    rate: float
    hold: float

    def lived(self, kills: Sequence[tuple[int, float]], seconds: float, tick: Callable[[], None]) -> Counter[str]:
        """Serve; kill each upgrade at its point, after its delay [s]; upgrade; serve on with both versions."""
        self.place.mkdir()
        a_worker(self.url).close()
        found = Counter[str]()
        watch = Watch(database_at(self.url))
        with release.installed(self.scripts):
            found["wrong openings"] += said_at_opening(self.url, self._spool) != TOO_OLD
        with watch.watching(), Crew() as old, Crew() as new:
            for number in range(self.workers):
                old.join(serve, *self._work(number))
            old.until_at_work()
            self._killed(kills, seconds * 3 / 4, watch, found, tick)
            is_through = self._upgraded(found)
            found["not through"] = not is_through
            if is_through:
                for number in range(self.workers, 2 * self.workers):
                    new.join(serve_next, self.scripts, *self._work(number))
                new.until_at_work()
                found["wrong openings"] += said_at_opening(self.url, self._spool) != TOO_NEW
            time.sleep(seconds / 4)
            self._stop.touch()
            by_old, by_new = old.acknowledged(), new.acknowledged()
            watch.look()
        found.update({"looks": watch.looks, "seen half": watch.halves, "seen to go back": watch.back})
        self._count(found, by_old | by_new, by_new, is_through=is_through)
        return found

    @property
    def _spool(self) -> Path:
        return self.place / "spool"

    @property
    def _stop(self) -> Path:
        return self.place / "stop"

    def _told(self, number: int) -> Path:
        return self.place / f"{number}.told"

    def _work(self, number: int) -> tuple[object, ...]:
        first = (number + 1) * TEN_MILLION
        return self.url, self._spool, self._told(number), first, self.rate, NEVER_S, self._stop

    def _killed(
        self,
        kills: Sequence[tuple[int, float]],
        seconds: float,
        watch: Watch,
        found: Counter[str],
        tick: Callable[[], None],
    ) -> None:
        began = time.monotonic()
        for number, (point, delay) in enumerate(kills, 1):
            time.sleep(max(began + number * seconds / len(kills) - time.monotonic(), 0.0))
            child = self._upgrading(point, delay)
            child.acks.poll(PATIENCE)
            said = said_at_opening(self.url, self._spool)
            child.acknowledged_until_dead(kill_after=None)
            found["kills"] += child.process.exitcode == -signal.SIGKILL
            found["held up"] += child.process.exitcode == release.HELD_UP
            # A commit may be through though nobody heard of it any more.
            found["wrong openings"] += said != OPENED and (said, watch.look()) != (TOO_NEW, True)
            tick()

    def _upgraded(self, found: Counter[str]) -> bool:
        """Upgrade until that is through; whether it ever is."""
        for _ in range(TRIES):
            child = self._upgrading(hold=self.hold)
            while child.process.is_alive():
                child.process.join(LOOK_S)
                found["bytes in spools"] = max(found["bytes in spools"], self._spooled())
            child.end()
            if child.process.exitcode != release.HELD_UP:
                return child.process.exitcode == release.DONE
            found["held up"] += 1
        return False

    def _upgrading(self, point: int | None = None, delay: float = 0.0, hold: float = 0.0) -> Child:
        return Child.start(release.upgrade, self.url, self.scripts, point, delay, hold)

    def _spooled(self) -> int:
        size = 0
        for path in self._spool.rglob("*"):
            # One that was handed on may go away meanwhile.
            with suppress(FileNotFoundError):
                size += path.stat().st_size if path.is_file() else 0
        return size

    def _count(self, found: Counter[str], acks: set[int], by_new: set[int], *, is_through: bool) -> None:
        told = [kind for path in self.place.glob("*.told") for kind, _ in routes(path)]
        if is_through:
            with release.installed(self.scripts):
                learned, verdicts = stored(self.url), verify(self.url, fold_of, router=ROUTER)
            found["without the new column"] = len(by_new - self._in_the_new_column())
        else:
            learned, verdicts = stored(self.url), verify(self.url, fold_of, router=ROUTER)
        found.update(
            {
                "routes": len(told),
                "failed": told.count(0),
                "by the fallback": told.count(2),
                "acknowledged": len(acks),
                "of the new version": len(by_new),
                "lost": len(acks - set(learned)),
                "twice": len(learned) - len(set(learned)),
                "not acknowledged": len(told) - told.count(0) - len(acks),
                "state ≠ replay": sum(len(verdict.findings) for verdict in verdicts),
            }
        )

    def _in_the_new_column(self) -> set[int]:
        database = database_at(self.url)
        with database.read("looking") as connection:
            bodies = connection.scalars(text("SELECT body FROM br_decision WHERE region = 'here'")).all()
        database.dispose()
        return {int.from_bytes(body, "big") for body in bodies}
