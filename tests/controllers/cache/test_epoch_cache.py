"""What the caches do: epochs, residents, prices."""

import json
from typing import Any

import numpy as np
import pytest

from banditroute.controllers import (
    Adapter,
    DoublingEpochs,
    EpochCache,
    FixedEpochs,
    Level,
    LFUCache,
    PricedCache,
)
from banditroute.core.arrays import FloatArray, RowArray
from banditroute.core.situation import Situation
from banditroute.errors import InvalidArgumentError, SnapshotCorruptError
from banditroute.testing import situation
from banditroute.testing.controllers import greedy, life, softmax
from tests.controllers.cache.residents import ADAPTERS, ARMS


@pytest.mark.parametrize("wrong", [-0.1, float("nan"), float("inf"), "1"])
@pytest.mark.parametrize("name", ["utility_per_second", "optimism", "host_capacity", "capacity"])
def test_prices_are_finite(name: str, wrong: float) -> None:
    settings = {"capacity": 2.0, "utility_per_second": 0.1} | {name: wrong}
    with pytest.raises(InvalidArgumentError, match=f"{name} = "):
        EpochCache(ADAPTERS, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [-1, 1.0, True, None])
def test_a_seed_is_a_count(wrong: int) -> None:
    with pytest.raises(InvalidArgumentError, match=f"seed = {wrong} must be an integer, at least 0"):
        EpochCache(ADAPTERS, capacity=2, utility_per_second=0.1, seed=wrong)


def steady(mean: list[float]) -> object:
    """A belief without widths, the same for all contexts; one objective."""

    def predict(rows: RowArray) -> tuple[FloatArray, FloatArray]:
        shape = (len(rows), len(mean), 1)
        return np.broadcast_to(np.array(mean)[:, np.newaxis], shape), np.zeros(shape)

    return predict


def with_history(cache: EpochCache, mean: list[float], requests: int) -> EpochCache:
    """The cache after so many requests under that belief."""
    for step in life(ARMS, requests):
        object.__setattr__(step.decision, "weights", np.array([1.0]))
        object.__setattr__(step.decision, "excluded", {})
        cache.decided(step.decision, steady(mean))  # type: ignore[arg-type]
    return cache


def test_at_the_end_of_an_epoch_the_best_are_held() -> None:
    cache = EpochCache(ADAPTERS, capacity=1, utility_per_second=0.1, epochs=FixedEpochs(10))
    assert with_history(cache, [0.2, 0.3, 0.9, 0.1], 9).resident == ("arm 0",)
    assert cache.epoch == 0
    assert with_history(cache, [0.2, 0.3, 0.9, 0.1], 1).resident == ("arm 2",)
    assert cache.epoch == 1
    assert cache.level("arm 2") is Level.GPU
    assert cache.level("arm 0") is Level.DISK


def test_what_is_not_worth_its_loading_is_not_loaded() -> None:
    """Ten requests gain 0.02 each, or the miss of 0.2 at most; loading costs utility_per_second × 2 s."""
    for utility_per_second, held in ((0.05, "arm 2"), (0.5, "arm 0")):
        cache = EpochCache(ADAPTERS, capacity=1, utility_per_second=utility_per_second, epochs=FixedEpochs(10))
        assert with_history(cache, [0.70, 0.3, 0.72, 0.1], 10).resident == (held,)


def test_a_retired_arm_is_not_held() -> None:
    cache = EpochCache(ADAPTERS, capacity=1, utility_per_second=0.0, epochs=FixedEpochs(10))
    for step in life(ARMS, 10):
        object.__setattr__(step.decision, "weights", np.array([1.0]))
        object.__setattr__(step.decision, "excluded", {"arm 2": "status retired", "arm 0": "not allowed"})

        def predict(rows: RowArray) -> tuple[FloatArray, FloatArray]:
            found = np.tile(np.array([0.8, 0.0, 0.9, 0.1])[:, np.newaxis], (len(rows), 1, 1))
            return found, np.zeros_like(found)

        cache.decided(step.decision, predict)
    assert cache.resident == ("arm 0",)


def test_the_host_holds_the_next_best() -> None:
    cache = EpochCache(ADAPTERS, capacity=1, utility_per_second=0.1, epochs=FixedEpochs(10), host_capacity=1)
    for step in life(ARMS, 10):
        object.__setattr__(step.decision, "weights", np.array([1.0]))
        object.__setattr__(step.decision, "excluded", {})

        def predict(rows: RowArray) -> tuple[FloatArray, FloatArray]:
            found = np.tile(np.array([0.9, 0.0, 0.8, 0.1])[:, np.newaxis], (len(rows), 1, 1))
            found[::3] = np.array([0.0, 0.0, 0.85, 0.1])[:, np.newaxis]
            return found, np.zeros_like(found)

        cache.decided(step.decision, predict)
    assert cache.resident == ("arm 0",)
    assert [cache.level(arm) for arm in ARMS] == [Level.GPU, Level.DISK, Level.HOST, Level.DISK]
    assert [cache.miss_cost(arm) for arm in ARMS] == [0.0, 0.2, 0.05, 0.2]


def test_forced_requests_are_a_share_of_the_epoch_and_pay_no_price() -> None:
    epochs = DoublingEpochs(first=200, forced=0.5)
    cache = EpochCache(ADAPTERS, capacity=1, utility_per_second=9.0, epochs=epochs, initial=["arm 3"])
    given = situation(5, 4, 2, eligible=np.ones(4, dtype=bool))
    forced = []
    for step in life(ARMS, 200):
        found = cache.control(given, greedy)
        forced.append(bool(cache.effects(given)["forced"]))
        free = greedy(given) if forced[-1] else np.array([0.0, 0.0, 0.0, 1.0])
        assert found.tolist() == free.tolist()
        cache.decided(step.decision, step.predict)
    # Multiples of the golden ratio: never more than a few away from the share, in any part of the epoch.
    share = epochs.forced_share(0, 4)
    assert np.abs(np.cumsum(forced) - share * np.arange(1, 201)).max() <= 2
    assert sum(forced) > 10


def test_the_policy_is_asked_once() -> None:
    asked = []

    def choice(given: Situation) -> FloatArray:
        asked.append(given)
        return softmax(given)

    cache = EpochCache(ADAPTERS, capacity=1, utility_per_second=0.5, epochs=DoublingEpochs(forced=0.9))
    for step in life(ARMS, 50):
        cache.control(step.given, choice)
        cache.decided(step.decision, step.predict)
    assert len(asked) == 50


def test_a_resident_that_gains_nothing_is_not_evicted_for_nothing() -> None:
    cache = EpochCache(
        ADAPTERS, capacity=3, utility_per_second=0.1, epochs=FixedEpochs(10), initial=["arm 3", "arm 0"]
    )
    assert set(with_history(cache, [0.2, 0.3, 0.9, 0.1], 10).resident) == {"arm 0", "arm 2", "arm 3"}


def test_one_set_serves_several_epochs_of_contexts() -> None:
    cache = EpochCache(ADAPTERS, capacity=1, utility_per_second=0.1, epochs=FixedEpochs(10), window=25)
    seen: list[int] = []

    def predict(rows: RowArray) -> tuple[FloatArray, FloatArray]:
        seen.append(len(rows))
        return np.zeros((len(rows), 4, 2)), np.zeros((len(rows), 4, 2))

    for step in life(ARMS, 40):
        cache.decided(step.decision, predict)
    assert seen == [10, 20, 25, 25]


def after(cache: PricedCache, requests: int) -> dict[str, Any]:
    """Its state after a life."""
    for step in life(ARMS, requests):
        cache.decided(step.decision, step.predict)
    found: dict[str, Any] = json.loads(json.dumps(cache.state()))
    return found


def tiered(**changes: Any) -> EpochCache:
    """Short epochs, two tiers."""
    settings = {
        "capacity": 2,
        "utility_per_second": 0.4,
        "epochs": FixedEpochs(7),
        "host_capacity": 2,
        "window": 9,
    }
    return EpochCache(**{"adapters": ADAPTERS, **settings, **changes})


WRONG = [
    {"resident": ["unknown"]},
    {"resident": ["arm 0", "arm 1", "arm 2"]},
    {"resident": ["arm 0", "arm 0"]},
    {"resident": "arm 0"},
    {"resident": [3]},
    {"on_host": ["unknown"]},
    {"on_host": ["arm 0", "arm 1", "arm 2"]},
    {"epoch": -1},
    {"epoch": "2"},
    {"seen": 7},
    {"seen": True},
    {"rows": None},
    {"rows": ["?"]},
    {"rows": [7]},
    {"rows": ["AAAAAA=="] * 10},
    {"rows": ["AAAAAA==", "AAAAAAAAAAA="]},
    {"rows": ["AAA="]},
]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_a_state_that_does_not_fit_is_refused_and_changes_nothing(wrong: dict[str, Any]) -> None:
    cache = tiered()
    before = after(cache, 18)
    with pytest.raises(SnapshotCorruptError, match="state of 'cache'"):
        cache.restore({**before, **wrong})
    assert json.loads(json.dumps(cache.state())) == before


def test_a_state_of_other_settings_is_refused() -> None:
    state = after(tiered(), 22)
    for other in ({"capacity": 1}, {"adapters": {"arm 9": Adapter(load_s=1.0)}}, {"window": 8}):
        with pytest.raises(SnapshotCorruptError):
            tiered(**other).restore(state)
    with pytest.raises(SnapshotCorruptError, match="counts"):
        LFUCache(ADAPTERS, capacity=2, utility_per_second=0.1).restore({"resident": [], "served": {"unknown": 3}})


def test_control_a_state_that_fits_is_not_refused() -> None:
    state = after(tiered(), 18)
    roomy = tiered(capacity=3, window=20)
    roomy.restore(state)
    assert json.loads(json.dumps(roomy.state())) == state
