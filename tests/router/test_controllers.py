"""Controllers in a router: their state is part of the fold, and their effects are reported."""

import json
import logging
import sqlite3
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from banditroute import Router, Uniform
from banditroute.controllers import Adapter, DoublingEpochs, EpochCache, Predict
from banditroute.core.log import DecisionRecord
from banditroute.errors import InvalidArgumentError
from banditroute.learning.posterior import model
from banditroute.testing import engine_of
from banditroute.testing.world import a_router, a_vector, url
from tests.router.world import World, with_history

STEPS = 230
BEHIND = 20
ADAPTERS = {name: Adapter(load_s=2.0, host_load_s=0.5) for name in ("small", "plain", "new", "newest")}


@pytest.fixture(autouse=True)
def _hastened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "REFRESH_EVERY", 96)
    monkeypatch.setattr(model, "LIVE_EPOCHS", 3)
    monkeypatch.setattr(model, "EPOCH_REQUESTS", 16)


def a_cache(utility_per_second: float = 0.15) -> EpochCache:
    """Short epochs, two tiers."""
    epochs = DoublingEpochs(first=11, forced=0.4, repeats=1)
    return EpochCache(ADAPTERS, capacity=1, utility_per_second=utility_per_second, epochs=epochs, host_capacity=1)


def facts(router: Router) -> tuple[str, str]:
    """Return the predictions, and the states of the controllers."""
    states = {each.name: each.state() for each in engine_of(router).state.controllers}
    return router.digest(), json.dumps(states, sort_keys=True)


@cache
def whole_life() -> tuple[World, tuple[str, str]]:
    """A life without a stop."""
    router = a_router(controllers=[a_cache()])
    world = with_history(router, STEPS + BEHIND)
    return world, facts(router)


@pytest.mark.parametrize("spoil", [None, "DELETE FROM br_snapshot", "UPDATE br_snapshot SET blob = x'00'"])
@pytest.mark.parametrize("stop", [61, 203])
def test_stopped_in_an_epoch_it_goes_on_with_the_same_bits(stop: int, spoil: str | None, tmp_path: Path) -> None:
    whole, end = whole_life()
    path = tmp_path / "life.db"
    router = a_router(url(path), controllers=[a_cache()])
    world = with_history(router, stop)
    router.close()
    if spoil is not None:
        with sqlite3.connect(path) as database:
            database.execute(spoil)
        database.close()
    router = world.reopen(url(path), controllers=[a_cache()])
    for number in range(stop, STEPS + BEHIND):
        world.step(router, number)
    assert world.ids == whole.ids
    assert world.chosen == whole.chosen
    assert facts(router) == end
    router.close()


class Forgetful(EpochCache):
    """Does not keep its epoch."""

    def restore(self, state: Mapping[str, Any]) -> None:
        super().restore({**state, "epoch": 0, "seen": 0})


def test_control_a_forgotten_epoch_is_found_out(tmp_path: Path) -> None:
    _, end = whole_life()
    router = a_router(url(tmp_path / "life.db"), controllers=[a_cache()])
    world = with_history(router, 203)
    router.close()
    forgetful = Forgetful(
        ADAPTERS,
        capacity=1,
        utility_per_second=0.15,
        epochs=DoublingEpochs(first=11, forced=0.4, repeats=1),
        host_capacity=1,
    )
    router = world.reopen(url(tmp_path / "life.db"), controllers=[forgetful])
    for number in range(203, STEPS + BEHIND):
        world.step(router, number)
    assert facts(router) != end
    router.close()


class Watching(EpochCache):
    """Keeps the predictions at each decision."""

    predictions: list[tuple[bytes, bytes]]

    def decided(self, record: DecisionRecord, predict: Predict) -> None:
        mean, width = predict(record.row)
        self.predictions = [*getattr(self, "predictions", []), (mean.tobytes(), width.tobytes())]
        assert mean.shape[0] == len(record.arms)


def test_a_replay_predicts_no_arm_that_was_added_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "REFRESH_EVERY", 10_000)  # no snapshots
    first, again = (Watching(ADAPTERS, capacity=1, utility_per_second=0.1) for _ in range(2))
    router = a_router(url(tmp_path / "life.db"), controllers=[first])
    world = with_history(router, 90)
    router.close()
    router = world.reopen(url(tmp_path / "life.db"), controllers=[again])
    assert len(again.predictions) == 90
    assert again.predictions == first.predictions
    router.close()


def test_predictions_do_not_depend_on_the_price_of_waiting() -> None:
    """The learner sees the outcomes without the miss: fed the same, it believes the same."""
    digests = []
    for utility_per_second in (0.0, 0.9):
        router = a_router(controllers=[a_cache(utility_per_second)], policy=Uniform(), secret=bytes(32))
        with_history(router, 120)
        digests.append(router.digest())
    assert digests[0] == digests[1]


def test_why_names_residents_and_prices() -> None:
    router = a_router(controllers=[a_cache()])
    explanation = router.why(router.route(a_vector(1)).id)
    effects = explanation.to_dict()["effects"]["cache"]
    assert effects["resident"] == ["small"]
    assert effects["miss_cost"] == {"plain": pytest.approx(0.3)}
    assert effects["epoch"] == 0
    assert json.loads(json.dumps(effects, allow_nan=False)) == effects
    assert "cache: resident small, miss cost plain 0.3, epoch 0, forced" in str(explanation)


def test_why_says_the_same_after_reopening(tmp_path: Path) -> None:
    router = a_router(url(tmp_path / "life.db"), controllers=[a_cache()])
    world = with_history(router, 70)
    before = [str(router.why(each)) for each in world.ids]
    router.close()
    router = world.reopen(url(tmp_path / "life.db"), controllers=[a_cache()])
    assert [str(router.why(each)) for each in world.ids] == before
    router.close()


def test_two_of_one_name_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="different names; given more than once: cache"):
        a_router(controllers=[a_cache(), a_cache()])


def test_a_snapshot_without_the_controller_is_replayed_from_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    router = a_router(url(tmp_path / "life.db"))
    world = with_history(router, 250)
    router.close()
    late = a_cache()
    with caplog.at_level(logging.WARNING, "banditroute"):
        router = world.reopen(url(tmp_path / "life.db"), controllers=[late])
    assert "other controllers; replaying the log instead" in caplog.text
    assert router.health().n_decisions == 250
    assert late.epoch == 4
    # Private: requests since the epoch began, which decide when the next one begins.
    assert late._seen == 250 - 11 * 15
    router.close()
