"""A router that was stopped and opened again goes on bit for bit as if it had never stopped."""

import random
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from banditroute import Router
from banditroute.core.arrays import feature_row
from banditroute.core.log import DecisionRecord, Position
from banditroute.learning.posterior import model
from banditroute.router.state.state import State
from banditroute.store import MemoryStore
from banditroute.testing import engine_of, ridge_model_of
from banditroute.testing.world import a_router, a_vector, url
from tests.router.world import World, with_history

STEPS = 500
BEHIND = 24
POINTS = 100
REFRESH_EVERY = 96


def hasten(patch: pytest.MonkeyPatch) -> None:
    """Make snapshots, epochs and merges frequent, which normally come after thousands of requests."""
    patch.setattr(model, "REFRESH_EVERY", REFRESH_EVERY)
    patch.setattr(model, "LIVE_EPOCHS", 3)
    patch.setattr(model, "EPOCH_REQUESTS", 16)


@pytest.fixture(autouse=True)
def _hastened(monkeypatch: pytest.MonkeyPatch) -> None:
    hasten(monkeypatch)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> dict[int, tuple[Path, World]]:
    """The database and the world at 100 random moments of one life."""
    place = tmp_path_factory.mktemp("stopped")
    moments = set(random.Random(11).sample(range(1, STEPS), POINTS - 3)) | {60, 61, 150}
    with pytest.MonkeyPatch.context() as patched:
        hasten(patched)
        router, world, found = a_router(url(place / "life.db")), World(), {}
        engine_of(router).clock = world.clock
        for number in range(STEPS):
            if number in moments:
                # Reading the log proves a snapshot, which then is to be stored.
                router.sync()
                router.flush()
                found[number] = (place / f"{number}.db", world.copy())
                with sqlite3.connect(place / "life.db") as life, sqlite3.connect(found[number][0]) as copy:
                    life.backup(copy)
                life.close()
                copy.close()
            world.step(router, number)
        router.close()
    return found


@pytest.fixture(scope="module")
def uninterrupted() -> tuple[World, list[tuple[object, ...]]]:
    """Return a run without a restart, and the predictions before each step."""
    with pytest.MonkeyPatch.context() as patched:
        hasten(patched)
        router, world = a_router(), World()
        engine_of(router).clock = world.clock
        predictions = []
        for number in range(STEPS + BEHIND):
            predictions.append(predict_all(router))
            world.step(router, number)
    return world, predictions


def predict_all(router: Router) -> tuple[object, ...]:
    if not router.health().n_decisions:
        return ()
    found = ridge_model_of(router).predict(feature_row(np.array([0.25, -0.5, 0.75]), intercept=True))
    known = len(engine_of(router).state.plays)
    mean, width = found.mean[:known], found.width[:known]
    return router.digest(), mean.tobytes(), width.tobytes(), engine_of(router).state.plays.tobytes()


def _differs(
    path: Path | str, world: World, uninterrupted: tuple[World, list[tuple[object, ...]]], until: int
) -> bool:
    """Whether a router opened on ``path`` goes on otherwise than one that was never stopped."""
    whole, predictions = uninterrupted
    number = len(world.ids)
    router = world.reopen(url(Path(path)))
    differs = predict_all(router) != predictions[number]
    for step in range(number, until):
        world.step(router, step)
    router.close()
    return differs or world.chosen != whole.chosen[:until] or world.ids != whole.ids[:until]


@pytest.mark.slow
def test_a_hundred_restarts_change_nothing(
    stopped: dict[int, tuple[Path, World]],
    uninterrupted: tuple[World, list[tuple[object, ...]]],
    tmp_path: Path,
) -> None:
    for number, (path, world) in stopped.items():
        copy = shutil.copy(path, tmp_path / "again.db")
        assert not _differs(copy, world.copy(), uninterrupted, number + BEHIND), number


@pytest.mark.slow
def test_snapshots_may_be_deleted_or_rot(
    stopped: dict[int, tuple[Path, World]],
    uninterrupted: tuple[World, list[tuple[object, ...]]],
    tmp_path: Path,
) -> None:
    for spoil in ("DELETE FROM br_snapshot", "UPDATE br_snapshot SET blob = x'00'"):
        for number in sorted(stopped)[POINTS // 2 :: 10]:
            path, world = stopped[number]
            copy = shutil.copy(path, tmp_path / "again.db")
            with sqlite3.connect(copy) as database:
                assert database.execute(spoil).rowcount > 0
            database.close()
            assert not _differs(copy, world.copy(), uninterrupted, number + BEHIND), number


@pytest.mark.slow
def test_control_rows_behind_the_snapshot_count(
    stopped: dict[int, tuple[Path, World]],
    uninterrupted: tuple[World, list[tuple[object, ...]]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A state that trusts its snapshot and skips what came after is found out."""

    def skip(state: State, record: object) -> None:
        if isinstance(record, DecisionRecord):
            state.position = state.position._replace(n_decisions=record.number)  # of NamedTuple

    monkeypatch.setattr(State, "apply", skip)
    number = max(stopped)
    path, world = stopped[number]
    assert _differs(shutil.copy(path, tmp_path / "again.db"), world.copy(), uninterrupted, number + BEHIND)


def test_memory_stores_resume_too() -> None:
    store = MemoryStore()
    first = a_router(store)
    world = with_history(first, 240)
    expected = predict_all(first)
    for _ in range(3):
        first.close()
        first = world.reopen(store)
        assert predict_all(first) == expected
    assert engine_of(first).state.position == Position(first.health().n_feedback, 240)


def test_stored_preferences_and_arms_win(tmp_path: Path) -> None:
    router = a_router(url(tmp_path / "r.db"))
    world = with_history(router, 240)
    router.close()
    router = world.reopen(url(tmp_path / "r.db"))
    assert router.preferences == {"quality": 1.0, "cost_usd": 0.1, "latency_s": 0.2}
    assert list(router.arms.items())[2:] == [("plain", "retired"), ("new", "active"), ("newest", "active")]
    assert router.route(a_vector(1), allowed=["plain"]).arm == "new"
    router.close()
