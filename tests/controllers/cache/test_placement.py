"""Which adapters to hold: the quick choice against the best one, by enumeration."""

from itertools import chain, combinations
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banditroute.controllers.cache import placement
from banditroute.controllers.cache.placement import best_set, drawn_values, enumerated_set, local_set, worth
from banditroute.core.arrays import BoolArray, FloatArray

INSTANCES = 1_000
MOST_SETS = 5_000


def instance(seed: int) -> tuple[FloatArray, FloatArray, FloatArray, int]:
    """Values, floor, loads and slots: arms with a niche each, some resident, some expensive to load."""
    rng = np.random.default_rng(seed)
    while True:
        arms = int(rng.integers(5, 16))
        slots = int(rng.integers(1, arms))
        if comb(arms, slots) <= MOST_SETS:
            break
    contexts = int(rng.integers(20, 200))
    niches, places = rng.normal(size=(arms, 3)), rng.normal(size=(contexts, 3))
    values = rng.random((arms, 1)) + rng.uniform(0.1, 1.0) * np.tanh(niches @ places.T)
    floor = (values - rng.uniform(0, 2, size=(arms, 1))).max(axis=0)
    load = rng.uniform(0, 0.2) * contexts * rng.random(arms) * (rng.random(arms) < 0.6)
    return values, floor, load, slots


def gain(chosen: BoolArray, values: FloatArray, floor: FloatArray, load: FloatArray) -> float:
    """What a set adds to holding nothing."""
    return worth(chosen, values, floor, load) - float(floor.sum())


def brute_force(values: FloatArray, floor: FloatArray, load: FloatArray, sizes: FloatArray, room: float) -> float:
    """F of the best set of all, by the definition."""
    arms = range(len(values))
    sets = chain.from_iterable(combinations(arms, size) for size in range(len(values) + 1))
    masks = (np.isin(arms, each) for each in sets)
    return max(worth(mask, values, floor, load) for mask in masks if sizes[mask].sum() <= room)


def shortfall(seed: int) -> float:
    """Share of the best gain that the quick choice misses."""
    values, floor, load, slots = instance(seed)
    best = gain(enumerated_set(values, floor, load, slots), values, floor, load)
    found = gain(local_set(values, floor, load, np.ones(len(values)), slots), values, floor, load)
    return 0.0 if best <= 0 else 1 - found / best


@pytest.mark.slow
def test_the_quick_choice_is_within_a_hundredth_of_the_best() -> None:
    missed = [shortfall(seed) for seed in range(INSTANCES)]
    assert max(missed) <= 0.01
    assert min(missed) >= -1e-9


def test_control_greedy_without_exchanges_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement, "_MAX_EXCHANGES", 0)
    assert max(shortfall(seed) for seed in range(INSTANCES // 10)) > 0.01


@pytest.mark.parametrize("seed", range(12))
def test_enumeration_finds_the_best_of_all_sets(seed: int) -> None:
    values, floor, load, slots = instance(seed)
    values, load = values[:8], 3 * load[:8]
    found = worth(enumerated_set(values, floor, load, slots), values, floor, load)
    assert found == pytest.approx(brute_force(values, floor, load, np.ones(len(values)), slots), abs=1e-9)


def test_by_hand() -> None:
    """Two contexts, two slots: a serves both well; b and c serve one each better, but must be loaded."""
    values = np.array([[0.8, 0.8], [1.0, 0.0], [0.0, 1.0]])
    floor, sizes = np.zeros(2), np.ones(3)
    for load, held in (
        ([0, 0, 0], [False, True, True]),
        ([0, 0.15, 0.25], [True, True, False]),
        ([0, 0.25, 0.25], [True, False, False]),
        ([2, 0.9, 0.9], [False, True, True]),
        ([2, 1.1, 1.1], [False, False, False]),
    ):
        for solve in (best_set, local_set):
            assert solve(values, floor, np.array(load), sizes, 2.0).tolist() == held, (solve, load)


@settings(deadline=None, max_examples=150)
@given(seed=st.integers(0, 2**32 - 1), room=st.floats(0.1, 20.0))
def test_sizes_never_exceed_the_capacity(seed: int, room: float) -> None:
    values, floor, load, _ = instance(seed)
    sizes = np.random.default_rng(seed).uniform(0.05, 6.0, size=len(values))
    chosen = best_set(values, floor, load, sizes, room)
    assert sizes[chosen].sum() <= room * (1 + 1e-12)


@settings(deadline=None, max_examples=150)
@given(seed=st.integers(0, 2**32 - 1), slots=st.integers(1, 30), equal=st.booleans())
def test_equal_sizes_fill_no_more_than_the_slots(seed: int, slots: int, *, equal: bool) -> None:
    values, floor, load, _ = instance(seed)
    sizes = np.full(len(values), 0.7 if equal else 1.0)
    assert np.count_nonzero(best_set(values, floor, load, sizes, slots * sizes[0])) <= slots


@pytest.mark.parametrize("solve", [best_set, local_set])
def test_no_arm_is_loaded_without_use(solve: object) -> None:
    """What is loaded adds more than its loading costs."""
    assert callable(solve)
    for seed in range(200):
        values, floor, load, slots = instance(seed)
        chosen = solve(values, floor, load, np.ones(len(values)), float(slots))
        whole = worth(chosen, values, floor, load)
        for arm in np.flatnonzero(chosen & (load > 0)):
            assert worth(chosen & (np.arange(len(chosen)) != arm), values, floor, load) < whole


def test_nothing_fits() -> None:
    values, floor, load, _ = instance(1)
    sizes = np.linspace(2.0, 3.0, len(values))
    assert not best_set(values, floor, load, sizes, 1.5).any()
    assert not best_set(values, floor, load, np.full(len(values), 2.0), 1.5).any()


def test_of_unequal_sizes_the_quick_choice_is_nearly_the_best() -> None:
    """Exchanges of one for one close less of the gap where sizes differ."""
    for seed in range(40):
        values, floor, load, _ = instance(seed)
        values, load = values[:7], load[:7]
        sizes = np.random.default_rng(seed).uniform(0.5, 3.0, size=len(values))
        best = brute_force(values, floor, load, sizes, 4.0) - float(floor.sum())
        found = gain(best_set(values, floor, load, sizes, 4.0), values, floor, load)
        assert found >= 0.75 * best


def test_draws_are_of_the_belief() -> None:
    """1e6 of them: each moment within 5 standard errors."""
    mean, width = np.full((1_000, 1_000), 0.3), np.full((1_000, 1_000), 0.2)
    drawn = drawn_values(mean, width, 0.25, np.random.default_rng(7))
    assert drawn.mean() == pytest.approx(0.3 + 0.25 * 0.2, abs=5 * 0.2 / 1e3)
    assert drawn.std() == pytest.approx(0.2, abs=5 * 0.2 / np.sqrt(2e6))
    np.testing.assert_array_equal(drawn_values(mean[:2], 0 * width[:2], 0.25, np.random.default_rng(7)), mean[:2])


def loaded_of_unknown(values: FloatArray) -> int:
    """Return how many of 12 adapters are placed in 5 empty slots."""
    floor, load = np.zeros(values.shape[1]), np.full(len(values), 0.5)
    return int(best_set(values, floor, load, np.ones(len(values)), 5).sum())


def test_the_unknown_are_tried_together() -> None:
    """By bounds of confidence, one of them would do for all contexts."""
    mean, width = np.full((12, 64), 0.5), np.full((12, 64), 0.4)
    assert loaded_of_unknown(drawn_values(mean, width, 0.25, np.random.default_rng(7))) == 5
    assert loaded_of_unknown(mean + width) == 1, "the control should load one alone"
