"""P1: whatever is done, SQL and memory agree."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar
from unittest import mock

from sqlalchemy import false

from banditroute import choice
from banditroute.learning import belief
from banditroute.records import DecisionRecord, FeedbackRecord, Position, PreferencesRecord, SnapshotRecord
from banditroute.store import reader, rows
from banditroute.store.decoding import to_feedbacks
from banditroute.store.order import as_lived
from simulations.reliability.life import DivergenceError, Life
from simulations.reliability.quiet import quiet
from simulations.reliability.row import Finding, Tick
from simulations.reliability.server import own_server

REFRESH_EVERY, EPOCH_REQUESTS = 8, 16
"""Often enough that a short life has snapshots and epochs."""


def _amended(found: Any, arms: Any) -> list[FeedbackRecord]:
    """What an amendment takes out is forgotten."""
    return [replace(record, previous=None) for record in to_feedbacks(found, arms)]


def _oldest(*_: Any) -> PreferencesRecord:
    """The preferences of the beginning stand for ever."""
    return PreferencesRecord(1, {"quality": 1.0, "cost_usd": 0.4}, 0)


def _behind(*arguments: Any) -> SnapshotRecord | None:
    """The snapshot is said to be of one decision earlier."""
    found = _newest_snapshot(*arguments)
    return found and replace(found, position=Position(found.position.learned, found.position.decided - 1))


def _mixed(
    decisions: Iterable[DecisionRecord], feedback: Iterable[FeedbackRecord]
) -> Iterator[DecisionRecord | FeedbackRecord]:
    """The feedback is replayed from its end."""
    return as_lived(decisions, reversed(list(feedback)))


_newest_snapshot = reader.newest_snapshot

MUTANTS: Mapping[str, tuple[ModuleType, str, Callable[..., Any] | object]] = {
    "amendments": (rows, "to_feedbacks", _amended),
    "prices": (reader, "price_history", lambda *_: {}),
    "preferences": (reader, "latest_preferences", _oldest),
    "snapshots": (reader, "newest_snapshot", _behind),
    "order": (reader, "as_lived", _mixed),
    "other workers": (reader, "_OTHERS_FEEDBACK", reader._OTHERS_FEEDBACK.where(false())),
}
"""What is wrong → a name in a module of the store, and the mistake that takes its place."""


@contextmanager
def _short() -> Iterator[None]:
    """Let few rows go by between snapshots, and few decisions to an epoch."""
    with (
        mock.patch.object(belief, "REFRESH_EVERY", REFRESH_EVERY),
        mock.patch.object(choice, "EPOCH_REQUESTS", EPOCH_REQUESTS),
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

    @quiet()
    def measure(self, place: Path, tick: Tick) -> Finding:
        """Live."""
        server = own_server()
        diverged: list[str] = []
        with _short():
            for seed in range(self.lives):
                url = server.new_database() if seed % 4 == 3 else f"sqlite:///{place}/{seed}.db"
                if (why := self._divergence(url, seed)) is not None:
                    diverged.append(f"{seed}: {why}")
                elif url.startswith("postgres"):
                    server.take_back(url)
                tick(seed + 1, self.lives + len(self.mutants))
            found = {name: self._found(place / name, *MUTANTS[name]) for name in self.mutants}
        measured: dict[str, float | str] = {
            "lives": self.lives,
            "steps": self.lives * self.steps,
            "divergences": len(diverged),
        }
        if diverged:
            measured["the first"] = diverged[0]
        control = {f"lives until {name} was found": life for name, life in found.items()}
        return Finding(measured, not diverged, control, all(life > 0 for life in found.values()))

    def _divergence(self, url: str, seed: int) -> str | None:
        """Live once; the first thing on which SQL and memory did not agree."""
        life = Life(url, workers=1 + seed % 2, seed=seed)
        try:
            for _ in range(self.steps):
                life.step()
        except DivergenceError as why:
            return str(why)
        finally:
            life.close()
        return None

    def _found(self, place: Path, module: ModuleType, name: str, mistake: object) -> int:
        """After how many lives a mutant was found; 0 if it never was."""
        place.mkdir()
        with mock.patch.object(module, name, mistake):
            for seed in range(self.control_lives):
                try:
                    if self._divergence(f"sqlite:///{place}/{seed}.db", seed) is not None:
                        return seed + 1
                except Exception:  # noqa: BLE001  (a mutant may do anything; that it does is what is looked for)
                    return seed + 1
        return 0
