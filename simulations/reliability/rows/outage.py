"""D1: the database is unavailable for some seconds, and no caller of ``route`` notices."""

import itertools
import logging
import os
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from banditroute import Arm, Router
from banditroute.core.log import FeedbackRecord
from banditroute.core.receipt import Receipt
from banditroute.errors import BanditRouteError
from banditroute.store.sql.store import SqlStore
from banditroute.testing import log_of
from banditroute.testing.world import SECRET
from simulations.reliability.harness.child import Child
from simulations.reliability.harness.row import Finding, Tick
from simulations.reliability.harness.victim import ACK
from tests.server import own_server

ARMS = tuple(Arm(name) for name in "abcd")
DIMENSION = 8
ROUTER = "outage"
PATIENCE = 60.0
ROUTED = struct.Struct("<qd")
"""Whether it was answered by the policy (1), by the fallback (2) or not at all (0), and in which time [s]."""


def a_worker(url: str, spool: Path | None = None, **changes: Any) -> Router:
    """One process of the service."""
    return Router(ROUTER, arms=ARMS, store=SqlStore(url, spool=spool), secret=SECRET, **changes)


def serve(
    acks: int,
    url: str,
    spool: Path | None,
    told: Path,
    first: int,
    rate: float,
    seconds: float,
    stop: Path | None = None,
) -> None:
    """Route at a steady rate until a time is over or ``stop`` is there; report of each decision.

    The number of each acknowledged feedback goes to ``acks``, as soon as it is known to be durable; what was
    routed, and how long that took, to the file ``told``.
    """
    # What is logged of an outage is no news here.
    logging.getLogger("banditroute").setLevel(logging.CRITICAL)
    rng = np.random.default_rng(first)
    router = a_worker(url, spool, ids=_bodies(first))
    waiting: list[tuple[int, Receipt]] = []
    began = time.monotonic()
    with told.open("wb") as routed:
        for number in range(int(rate * seconds)):
            if stop is not None and stop.exists():
                break
            time.sleep(max(began + number / rate - time.monotonic(), 0.0))
            vector = rng.uniform(-1, 1, DIMENSION)
            before = time.perf_counter()
            try:
                decision = router.route(vector)
            except BanditRouteError:
                routed.write(ROUTED.pack(0, time.perf_counter() - before))
                continue
            took = time.perf_counter() - before
            routed.write(ROUTED.pack(2 if decision.mode == "fallback" else 1, took))
            waiting.append((first + number + 1, router.feedback(decision.id, quality=float(rng.random()))))
            waiting = list(_not_yet(acks, waiting))
    deadline = time.monotonic() + PATIENCE
    while waiting and time.monotonic() < deadline:
        waiting = list(_not_yet(acks, waiting))
        time.sleep(0.05)
    # The spool goes back by itself; only then may the process end.
    while router.health().spooled and time.monotonic() < deadline:
        time.sleep(0.05)
    router.close()


def _bodies(first: int) -> Any:
    numbers = itertools.count(first + 1)
    return lambda: next(numbers).to_bytes(16, "big")


def _not_yet(acks: int, waiting: list[tuple[int, Receipt]]) -> Iterator[tuple[int, Receipt]]:
    for number, receipt in waiting:
        if not receipt.done:
            yield number, receipt
            continue
        try:
            receipt.wait(0)
        except BanditRouteError:
            continue
        os.write(acks, ACK.pack(number))


def routes(told: Path) -> list[tuple[int, float]]:
    """What a process wrote down of its routes."""
    return list(ROUTED.iter_unpack(told.read_bytes()))


def stored(url: str) -> list[int]:
    """The numbers of all feedback that is in the journal."""
    router = a_worker(url)
    store = log_of(router).store
    assert isinstance(store, SqlStore)
    router.flush()
    feedback = [event for event in store.events(others=True) if isinstance(event, FeedbackRecord)]
    router.close()
    return [int.from_bytes(record.decision_key, "big") for record in feedback]


@dataclass(frozen=True, slots=True)
class Outage:
    """So many processes, each at so many requests a second; the server is away in the middle, for ``down`` [s]."""

    id: ClassVar[str] = "D1"
    does: ClassVar[str] = "PostgreSQL crashes and stays away under 3 × 200 requests/s, each with feedback"
    asks: ClassVar[str] = "0 failed routes, all feedback acknowledged, and in the journal once"
    control: ClassVar[str] = "without a spool feedback is lost"

    downs: tuple[float, ...] = (5.0,)
    processes: int = 3
    rate: float = 200.0
    around: float = 2.0
    control_down: float = 4.0

    def measure(self, place: Path, tick: Tick) -> Finding:
        """Serve, crash, wait, start again."""
        server = own_server()
        figures: dict[str, float | str] = {"routes": 0, "failed": 0, "by the fallback": 0}
        times: list[float] = []
        acknowledged = lost = twice = refused = 0
        for number, down in enumerate(self.downs):
            url = server.new_database()
            a_worker(url).close()
            notes = place / str(number)
            told, acks = self._lived(url, notes / "spool", notes, down)
            found = stored(url)
            acknowledged += len(acks)
            lost += len(acks - set(found))
            twice += len(found) - len(set(found))
            refused += sum(kind != 0 for kind, _ in told) - len(acks)
            figures["routes"] = int(figures["routes"]) + len(told)
            figures["failed"] = int(figures["failed"]) + sum(kind == 0 for kind, _ in told)
            figures["by the fallback"] = int(figures["by the fallback"]) + sum(kind == 2 for kind, _ in told)
            times += [took for _, took in told]
            tick(number + 1, len(self.downs) + 1)
        wrong = figures["failed"] or figures["by the fallback"] or lost or twice or refused
        figures |= {
            "seconds away": "+".join(f"{down:g}" for down in self.downs),
            "p99 of a route [ms]": float(np.quantile(times, 0.99)) * 1e3,
            "acknowledged": acknowledged,
            "lost": lost,
            "twice": twice,
            "not acknowledged": refused,
        }
        url = server.new_database()
        a_worker(url).close()
        said, acks = self._lived(url, None, place / "control", self.control_down)
        missing = sum(kind != 0 for kind, _ in said) - len(acks & set(stored(url)))
        return Finding(figures, not wrong and acknowledged > 0, {"lost": missing}, missing > 0)

    def _lived(
        self, url: str, spool: Path | None, notes: Path, down: float
    ) -> tuple[list[tuple[int, float]], set[int]]:
        """Let the processes serve through an outage; what they routed, and what was acknowledged to them."""
        notes.mkdir()
        seconds = down + 2 * self.around
        children = [
            Child.start(serve, url, spool, notes / f"{n}.told", (n + 1) * 10_000_000, self.rate, seconds)
            for n in range(self.processes)
        ]
        try:
            began = time.monotonic()
            while not all((notes / f"{n}.told").exists() for n in range(self.processes)):
                time.sleep(0.05)
                if time.monotonic() > began + PATIENCE:
                    raise TimeoutError("the processes do not start")
            time.sleep(self.around)
            with own_server().down():
                time.sleep(down)
            acks = set[int]().union(*(child.acknowledged_until_dead(kill_after=None) for child in children))
        finally:
            for child in children:
                child.end()
        return [each for n in range(self.processes) for each in routes(notes / f"{n}.told")], acks
