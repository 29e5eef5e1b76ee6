"""A1: one router in many processes by fork, in many threads, in many tasks and in two event loops."""

import asyncio
import json
import logging
import multiprocessing
import os
import signal
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from sqlalchemy import text

from banditroute import Router
from banditroute.core.ids import IdSource, random_key
from banditroute.core.log import FeedbackRecord
from banditroute.core.receipt import Receipt
from banditroute.store.databases.base import Database
from banditroute.store.databases.postgres import Postgres
from banditroute.store.sql.store import SqlStore
from banditroute.testing import log_of
from banditroute.testing.world import a_router, a_vector
from simulations.reliability.harness.child import PATIENCE, Child
from simulations.reliability.harness.quiet import quiet
from simulations.reliability.harness.row import Finding, Tick
from simulations.reliability.harness.victim import ACK
from tests.server import own_server

LONGEST = 5
"""What a child may take that may wait for an answer which its parent got [s]."""
_BACKEND = text("SELECT pg_backend_pid()")


@dataclass(frozen=True, slots=True)
class Tally:
    """What was done with a router: ids of all decisions whose feedback is durable, and how many others failed."""

    ids: tuple[str, ...]
    errors: int

    @property
    def twice(self) -> int:
        """How many decisions have an id, and hence a draw, that another one has."""
        return sum(count - 1 for count in Counter(self.ids).values())


def _router(url: str, ids: IdSource = random_key) -> Router:
    return a_router(SqlStore(url), ids=ids, clock=time.time)


def _tell(router: Router, number: int) -> Receipt:
    decision = router.route(a_vector(number % 1_000))
    return router.feedback(decision.id, quality=(number % 11) / 11)


def _served(router: Router, requests: int) -> list[str]:
    """Ids of the decisions whose feedback was acknowledged."""
    waiting = [_tell(router, number) for number in range(requests)]
    return [receipt.wait(PATIENCE).decision_id for receipt in waiting]


def _missing(url: str, told: Tally) -> int:
    """How many acknowledged feedbacks are not in the journal exactly once."""
    with _router(url) as router:
        feedback = [record for record in log_of(router).store.events() if isinstance(record, FeedbackRecord)]
        stored = Counter(record.decision_key for record in feedback)
        return sum(stored[log_of(router).keys.key(identity)] != 1 for identity in told.ids)


# ------------------------------------------------------------------------------------------------------- processes


def fork_often(acks: int, url: str, place: Path, forks: int, requests: int, careless: bool) -> None:
    """Warm a router up, then fork again and again while a thread of this process goes on; report to ``place``.

    A careless one carries its connections and the generator of its ids into its children.
    """
    ids = np.random.default_rng(1).bytes if careless else lambda _: random_key()
    router = _router(url, lambda: ids(16))
    if careless:
        Postgres.after_fork = lambda *_, **__: None  # type: ignore[method-assign]
        logging.disable()
    _work(router, place / "parent", requests)
    stop = threading.Event()
    busy = threading.Thread(target=_go_on, args=(router, place / "thread", stop))
    if not careless:
        busy.start()
    for number in range(forks):
        _fork(number, lambda: _work(router, place / "child", requests), patience=LONGEST if careless else 0)
        os.write(acks, ACK.pack(number))
    stop.set()
    if not careless:
        busy.join()
        router.close()
    # A careless one has nothing left that could be closed.
    os._exit(0)


def _fork(number: int, work: Callable[[], None], *, patience: int) -> None:
    """Fork by ``os.fork`` and ``multiprocessing`` in turns; wait for the child, with no limit if patience is 0."""

    def limited() -> None:
        signal.alarm(patience)
        work()

    with warnings.catch_warnings():
        # That there are threads is the point.
        warnings.simplefilter("ignore", DeprecationWarning)
        if number % 2:
            child = multiprocessing.get_context("fork").Process(target=limited)
            child.start()
            child.join()
        elif pid := os.fork():
            os.waitpid(pid, 0)
        else:
            try:
                limited()
            finally:
                # It must not go on as if it were its parent.
                os._exit(0)


def _work(router: Router, place: Path, requests: int) -> None:
    """Serve, and write down what for and with which connections: a file for each process."""
    ids = _served(router, requests)
    store = log_of(router).store
    assert isinstance(store, SqlStore)
    _note(place, ids, _backends(store.database))


def _backends(database: Database) -> list[int]:
    """The server's processes behind the connections; SQLite has none."""
    if database.one_writer:
        return []
    with database.read("asking") as connection:
        reading = connection.scalar(_BACKEND)
    return [reading, database.write("asking", lambda connection: connection.scalar(_BACKEND))]


def _go_on(router: Router, place: Path, stop: threading.Event) -> None:
    ids: list[str] = []
    while not stop.is_set():
        ids += _served(router, 1)
    _note(place, ids, [])


def _note(place: Path, ids: Sequence[str], backends: Sequence[int]) -> None:
    place.with_suffix(f".{os.getpid()}").write_text(json.dumps({"ids": ids, "backends": backends}))


def forked(place: Path, url: str, forks: int, requests: int, *, careless: bool = False) -> tuple[Tally, int]:
    """Fork repeatedly, with so many requests each; return the reports, and the number of shared connections."""
    place.mkdir(parents=True)
    child = Child.start(fork_often, url, place, forks, requests, careless)
    try:
        child.acknowledged_until_dead(kill_after=None)
    finally:
        child.end()
    notes = {path.name: json.loads(path.read_text()) for path in place.iterdir()}
    backends = Counter(backend for note in notes.values() for backend in note["backends"])
    served = [note["ids"] for name, note in notes.items() if not name.startswith("thread")]
    errors = (forks + 1) * requests - sum(map(len, served))
    ids = tuple(identity for note in notes.values() for identity in note["ids"])
    return Tally(ids, errors), sum(count - 1 for count in backends.values())


# ----------------------------------------------------------------------------------------------- threads and tasks


def in_threads(router: Router, threads: int, requests: int) -> Tally:
    """So many threads at once, so many requests each."""
    with ThreadPoolExecutor(threads) as pool:
        served = [pool.submit(_served, router, requests) for _ in range(threads)]
        ids = [identity for each in served if each.exception() is None for identity in each.result()]
    return Tally(tuple(ids), threads * requests - len(ids))


def in_loops(router: Router, loops: int, requests: int) -> Tally:
    """So many event loops at once, each of which gathers so many requests."""

    async def one(number: int) -> str:
        return (await _tell(router, number)).decision_id

    async def gathered() -> list[str | BaseException]:
        return await asyncio.gather(*map(one, range(requests)), return_exceptions=True)

    with ThreadPoolExecutor(loops) as pool:
        done = [each for ids in pool.map(lambda _: asyncio.run(gathered()), range(loops)) for each in ids]
    ids = tuple(each for each in done if isinstance(each, str))
    return Tally(ids, len(done) - len(ids))


@dataclass(frozen=True, slots=True)
class Forks:
    """So many forks on each database; so many threads, and tasks in one event loop and in two, on one router."""

    id: ClassVar[str] = "A1"
    does: ClassVar[str] = "a warm router in forked children, in 32 threads, in 1,000 tasks and in two event loops"
    asks: ClassVar[str] = "0 errors, 0 shared connections, 0 equal ids or draws, all feedback stored once"
    control: ClassVar[str] = "connections and a generator of ids that are carried over a fork"

    forks: int = 20
    requests: int = 50
    threads: int = 32
    each: int = 1_000
    tasks: int = 1_000
    control_forks: int = 3

    @quiet()
    def measure(self, place: Path, tick: Tick) -> Finding:
        """Fork, run, gather; then look into the journals."""
        server, wrong = own_server(), Counter[str]()
        done, total = 0, 0
        urls = {kind: f"sqlite:///{place}/{kind}.db" for kind in ("forked", "together")}
        urls["server"] = server.new_database()
        for kind in ("forked", "server"):
            told, shared = forked(place / f"notes-{kind}", urls[kind], self.forks, self.requests)
            wrong["connections shared"] += shared
            total += self._count(wrong, urls[kind], told)
            tick(done := done + 1, 4)
        with _router(urls["together"]) as router:
            parts = [in_threads(router, self.threads, self.each)]
            parts += [in_loops(router, loops, self.tasks // loops) for loops in (1, 2)]
        ids = tuple(identity for part in parts for identity in part.ids)
        told = Tally(ids, sum(part.errors for part in parts))
        total += self._count(wrong, urls["together"], told)
        tick(done + 1, 4)
        url = server.new_database()
        carried, shared = forked(place / "careless", url, self.control_forks, self.requests, careless=True)
        control = {"connections shared": shared, "equal ids": carried.twice, "errors": carried.errors}
        measured = {
            "forks": 2 * self.forks,
            "feedbacks": total,
            **{name: wrong[name] for name in ("errors", "connections shared", "equal ids", "not stored once")},
        }
        return Finding(measured, not wrong.total(), control, sum(control.values()) > 0)

    def _count(self, wrong: "Counter[str]", url: str, told: Tally) -> int:
        wrong.update({"errors": told.errors, "equal ids": told.twice, "not stored once": _missing(url, told)})
        return len(told.ids)
