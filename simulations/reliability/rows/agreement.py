"""P1: whatever is done, SQL and memory agree."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar
from unittest import mock

from sqlalchemy import false

from banditroute.core.log import DecisionRecord, FeedbackRecord, Position, PreferencesRecord, SnapshotRecord
from banditroute.learning.posterior import model
from banditroute.store.semantics.order import merge_by_number
from banditroute.store.sql import read, rows
from banditroute.store.sql.decode import to_feedbacks
from simulations.reliability.harness.life import DivergenceError, Life
from simulations.reliability.harness.quiet import quiet
from simulations.reliability.harness.row import Finding, Tick
from tests.server import Server, own_server

LIVES_TO_A_PROCESS = 200

REFRESH_EVERY, EPOCH_REQUESTS = 8, 16
"""Often enough that a short life has snapshots and epochs."""


def _amended(found: Any, arms: Any) -> list[FeedbackRecord]:
    """What an amendment takes out is forgotten."""
    return [replace(record, previous=None) for record in to_feedbacks(found, arms)]


def _oldest(*_: Any) -> PreferencesRecord:
    """The initial preferences are never replaced."""
    return PreferencesRecord(1, {"quality": 1.0, "cost_usd": 0.4}, 0)


def _behind(*arguments: Any) -> SnapshotRecord | None:
    """The snapshot is said to be of one decision earlier."""
    found = _newest_snapshot(*arguments)
    return found and replace(found, position=Position(found.position.n_feedback, found.position.n_decisions - 1))


def _mixed(
    decisions: Iterable[DecisionRecord], feedback: Iterable[FeedbackRecord]
) -> Iterator[DecisionRecord | FeedbackRecord]:
    """The feedback is replayed from its end."""
    return merge_by_number(decisions, reversed(list(feedback)))


_newest_snapshot = read.newest_snapshot

MUTANTS: Mapping[str, tuple[ModuleType, str, Callable[..., Any] | object]] = {
    "amendments": (rows, "to_feedbacks", _amended),
    "prices": (read, "price_history", lambda *_: {}),
    "preferences": (read, "latest_preferences", _oldest),
    "snapshots": (read, "newest_snapshot", _behind),
    "order": (read, "merge_by_number", _mixed),
    "other workers": (read, "_OTHERS_FEEDBACK", read._OTHERS_FEEDBACK.where(false())),
}
"""What is wrong → a name in a module of the store, and the mistake that takes its place."""


@contextmanager
def _short() -> Iterator[None]:
    """Let few rows go by between snapshots, and few decisions to an epoch."""
    with (
        mock.patch.object(model, "REFRESH_EVERY", REFRESH_EVERY),
        mock.patch.object(model, "EPOCH_REQUESTS", EPOCH_REQUESTS),
    ):
        yield


@dataclass(frozen=True, slots=True)
class Agreement:
    """So many lives of so many steps, on SQLite and PostgreSQL in turns; at most so many to find each mutant."""

    id: ClassVar[str] = "P1"
    does: ClassVar[str] = (
        "random lives in SQL and in memory: routes, all kinds of feedback, forgetting, operations, crashes, "
        "compaction, a clock that jumps, one worker or two"
    )
    asks: ClassVar[str] = "0 divergences of results, messages, predictions, propensities, digests"
    control: ClassVar[str] = "6 mutants of what reads the log, each found"

    lives: int = 300
    steps: int = 50
    control_lives: int = 60
    mutants: tuple[str, ...] = tuple(MUTANTS)

    def measure(self, place: Path, tick: Tick) -> Finding:
        """Live."""
        diverged = self._lived(own_server(), place, tick)
        found = {name: self._found(place / name, *MUTANTS[name]) for name in self.mutants}
        tick(self.lives + 1, self.lives + 1)
        measured: dict[str, float | str] = {
            "lives": self.lives,
            "steps": self.lives * self.steps,
            "divergences": len(diverged),
        }
        if diverged:
            measured["the first"] = min(diverged)
        control = {f"lives until {name} was found": life for name, life in found.items()}
        return Finding(measured, not diverged, control, all(life > 0 for life in found.values()))

    def _lived(self, server: Server, place: Path, tick: Tick) -> list[str]:
        """Live, one more at once than there are processors, since lives wait; where SQL and memory disagreed."""
        seeds, diverged = iter(range(self.lives)), list[str]()
        running: dict[Future[str | None], tuple[int, str]] = {}
        count = (os.cpu_count() or 1) + 1
        with ProcessPoolExecutor(
            count, mp_context=get_context("forkserver"), max_tasks_per_child=LIVES_TO_A_PROCESS
        ) as pool:
            while True:
                for seed in islice(seeds, count - len(running)):
                    url = server.new_database() if seed % 4 == 3 else f"sqlite:///{place}/{seed}.db"
                    running[pool.submit(_divergence, url, seed, self.steps)] = seed, url
                if not running:
                    return diverged
                for life in wait(running, return_when=FIRST_COMPLETED).done:
                    seed, url = running.pop(life)
                    why = repr(life.exception()) if life.exception() else life.result()
                    if why is not None:
                        diverged.append(f"{seed:05}: {why}")
                    elif url.startswith("postgres"):
                        server.take_back(url)
                    else:
                        for left in place.glob(f"{seed}.db*"):
                            left.unlink()
                    tick(seed + 1, self.lives + 1)

    def _found(self, place: Path, module: ModuleType, name: str, mistake: object) -> int:
        """After how many lives a mutant was found; 0 if it never was."""
        place.mkdir()
        with mock.patch.object(module, name, mistake):
            for seed in range(self.control_lives):
                try:
                    if _divergence(f"sqlite:///{place}/{seed}.db", seed, self.steps) is not None:
                        return seed + 1
                except Exception:  # noqa: BLE001  (a mutant may do anything; that it does is what is looked for)
                    return seed + 1
        return 0


@quiet()
def _divergence(url: str, seed: int, steps: int) -> str | None:
    """Live once; the first thing on which SQL and memory did not agree."""
    with _short():
        life = Life(url, workers=1 + seed % 2, seed=seed)
        try:
            for _ in range(steps):
                life.step()
        except DivergenceError as why:
            return str(why)
        finally:
            life.close()
    return None
