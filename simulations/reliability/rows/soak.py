"""L1: hours of steady requests leave nothing behind but the log."""

import os
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures import wait as wait_for
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from sqlalchemy import create_engine, text

from banditroute import Arm, LinUCB, Router
from banditroute.testing.world import SECRET
from simulations.reliability.harness.row import Finding, Tick
from tests.server import NotHere, own_server

ARMS = tuple(Arm(name) for name in "abcd")
FEATURES = 64
LATE = 100
"""So many requests later the feedback on one comes."""

MEGABYTE, HOUR_S = 2**20, 3_600.0


@dataclass(frozen=True, slots=True)
class Sample:
    """A process at one moment.

    Attributes:
        at: Since its beginning [s].
        memory: Resident [bytes].
        files, threads: How many are open, and run.
        wal: Length of the write-ahead log of SQLite [bytes].
        lag: How long the oldest feedback has waited to be learned, at most [s].
    """

    at: float
    memory: int
    files: int
    threads: int
    wal: int
    lag: float


def serve(url: str, rate: float, seconds: float, every: float, *, leaking: bool) -> list[Sample]:
    """Route at a steady rate, and report of each decision a little later; a sample ``every`` so many seconds.

    Where it is ``leaking``, it keeps hold of every decision, as services do by mistake.
    """
    router = Router("soak", arms=ARMS, features=FEATURES, policy=LinUCB(ridge=3.0), store=url, secret=SECRET)
    rng, hoard, samples = np.random.default_rng(1), list[Any](), list[Sample]()
    waiting: deque[str] = deque()
    began = time.monotonic()
    for number in range(int(rate * seconds)):
        time.sleep(max(began + number / rate - time.monotonic(), 0.0))
        vector = rng.uniform(-1, 1, FEATURES)
        decision = router.route(vector)
        waiting.append(decision.id)
        if leaking:
            hoard.append((decision, vector))
        if len(waiting) > LATE:
            router.feedback(waiting.popleft(), quality=float(rng.random()))
        if number % round(rate * every) == 0:
            samples.append(_sample(router, url, time.monotonic() - began))
    router.close()
    return samples


def _sample(router: Router, url: str, at: float) -> Sample:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    wal = Path(url.removeprefix("sqlite:///") + "-wal")
    return Sample(
        at,
        pages * os.sysconf("SC_PAGE_SIZE"),
        sum(1 for _ in Path("/proc/self/fd").iterdir()),
        threading.active_count(),
        wal.stat().st_size if wal.exists() else 0,
        router.health().lag_s,
    )


def growth(samples: Sequence[Sample]) -> float:
    """Slope of the resident memory [MB/h]."""
    slope = np.polyfit([each.at for each in samples], [each.memory for each in samples], 1)[0]
    return float(slope * HOUR_S / MEGABYTE)


@dataclass(frozen=True, slots=True)
class Soak:
    """So many seconds at so many requests a second; what comes before ``warm`` [s] does not count."""

    id: ClassVar[str] = "L1"
    does: ClassVar[str] = "an hour of 200 requests/s, d = 64, each with feedback, on SQLite and PostgreSQL at once"
    asks: ClassVar[str] = (
        "memory grows by < 1 MB/h once warm, files and threads constant, WAL < 64 MB, p99 of the lag of learning "
        "< 1 s, SQLite < 1.2 kB to a decision"
    )
    control: ClassVar[str] = "a service that keeps hold of its decisions grows"

    rate: float = 200.0
    seconds: float = 3_600.0
    warm: float = 600.0
    every: float = 10.0
    control_seconds: float = 180.0
    most_growth: float = 1.0
    most_changes: float = 0
    most_wal: int = 64 * MEGABYTE
    longest_lag: float = 1.0
    most_bytes: float = 1_200.0
    must_leak: bool = True

    def measure(self, place: Path, tick: Tick) -> Finding:
        """Serve."""
        if not Path("/proc/self/statm").exists():
            raise NotHere("needs /proc, which only Linux has")
        sqlite, postgres = f"sqlite:///{place}/soak.db", own_server().new_database()
        empty = _size(postgres)
        # Each in a process of its own: memory that another left behind would hide what grows.
        with ProcessPoolExecutor(2, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
            runs = [
                pool.submit(serve, url, self.rate, self.seconds, self.every, leaking=False)
                for url in (sqlite, postgres)
            ]
            self._watch(runs, tick)
            leaking = pool.submit(
                serve, f"sqlite:///{place}/leaking.db", self.rate, self.control_seconds, self.every, leaking=True
            ).result()
        warm = [[sample for sample in run.result() if sample.at >= self.warm] for run in runs]
        every = [sample for samples in warm for sample in samples]
        decisions = int(self.rate * self.seconds)
        growing = [growth(samples) for samples in warm]
        changes = sum(len({(each.files, each.threads) for each in samples}) - 1 for samples in warm)
        wal, lag = max(each.wal for each in every), float(np.quantile([each.lag for each in every], 0.99))
        bytes_each = (place / "soak.db").stat().st_size / decisions
        measured: dict[str, float | str] = {
            "decisions on each": decisions,
            "MB/h of growth": " / ".join(f"{each:.2f}" for each in growing),
            "MB resident": " / ".join(f"{samples[-1].memory / MEGABYTE:.0f}" for samples in warm),
            "changes of files and threads": changes,
            "MB of WAL": round(wal / MEGABYTE, 1),
            "s of lag": lag,
            "bytes to a decision": round(bytes_each),
            "on PostgreSQL": round((_size(postgres) - empty) / decisions),
        }
        holds = (
            max(growing) < self.most_growth
            and changes <= self.most_changes
            and wal < self.most_wal
            and lag < self.longest_lag
            and bytes_each < self.most_bytes
        )
        leak = growth([sample for sample in leaking if sample.at >= self.control_seconds / 2])
        return Finding(measured, holds, {"MB/h of growth": leak}, leak >= self.most_growth or not self.must_leak)

    def _watch(self, runs: Sequence[Future[list[Sample]]], tick: Tick) -> None:
        began = time.monotonic()
        while wait_for(runs, timeout=1.0).not_done:
            tick(min(int(time.monotonic() - began), int(self.seconds)), int(self.seconds))


def _size(url: str) -> int:
    engine = create_engine(url)
    with engine.connect() as connection:
        size = int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())
    engine.dispose()
    return size
