"""Chooses the adapters to hold: facility location with switching cost under a capacity.

For contexts S, the value v_a(x) of serving x with a resident arm a, and the value f(x) of serving x without any
resident, the best set C maximises

    F(C) = Σ_{x ∈ S} max(f(x), max_{a ∈ C} v_a(x)) − Σ_{a ∈ C} load_a,   Σ_{a ∈ C} size_a ≤ capacity,

with load_a = 0 for adapters that are already resident. Values are uncertain: v_a(x) is a draw from its posterior,
one for each a and x, so that F(C) estimates the value once the best resident for x is known. With confidence
bounds instead of draws, one unknown adapter would have the highest bound for all contexts, and a second one would
add nothing; so they would be tried one at a time. The first term is monotone submodular, so greedy choice reaches
1 − 1/e of its maximum (Nemhauser, Wolsey & Fisher, 1978); single exchanges then close most of the gap.
"""

from itertools import combinations
from math import comb

import numpy as np

from banditroute.core.arrays import BoolArray, FloatArray, IntArray

MAX_ENUMERATED = 1_000
_MAX_EXCHANGES = 200
_SETS_AT_ONCE = 64
_LEAST_GAIN = 1e-9
# Above this number of values (arms × contexts), exchanges are tried from the best start only, to save time.
_ALL_STARTS_UP_TO = 1 << 18


def drawn_values(
    mean: FloatArray, width: FloatArray, optimism: float, generator: np.random.Generator
) -> FloatArray:
    """Return independent draws of v ~ N(mean + optimism · width, width²), with the shape of ``mean``."""
    values: FloatArray = mean + width * (generator.standard_normal(mean.shape) + optimism)
    return values


def best_set(
    values: FloatArray, floor: FloatArray, load: FloatArray, sizes: FloatArray, capacity: float
) -> BoolArray:
    """Return the arms to hold, shape (arms,): by enumeration for few sets, else by greedy choice and exchanges.

    Args:
        values: v, the value of each arm; shape (arms, contexts).
        floor: f, the value without residents; shape (contexts,).
        load: Cost of loading each arm, 0 for residents; shape (arms,).
        sizes: Size of each arm; shape (arms,).
        capacity: Capacity in the unit of the sizes.
    """
    slots = int(capacity // sizes[0]) if (sizes == sizes[0]).all() else 0
    if slots > 0 and sum(comb(len(values), size) for size in range(slots + 1)) <= MAX_ENUMERATED:
        return enumerated_set(values, floor, load, slots)
    return local_set(values, floor, load, sizes, capacity)


def worth(chosen: BoolArray, values: FloatArray, floor: FloatArray, load: FloatArray) -> float:
    """Return F of a set."""
    served = np.maximum(floor, values[chosen].max(axis=0, initial=-np.inf))
    return float(served.sum() - load[chosen].sum())


def enumerated_set(values: FloatArray, floor: FloatArray, load: FloatArray, slots: int) -> BoolArray:
    """Return the best set of at most ``slots`` arms of equal size, by enumeration.

    Of equally good sets it returns one without useless loads, but with residents, which cost nothing.
    """
    best, most = np.zeros(len(values), dtype=bool), -np.inf
    for size in range(min(slots, len(values)), -1, -1):
        sets = np.array(list(combinations(range(len(values)), size)), dtype=np.int64)
        for start in range(0, len(sets), _SETS_AT_ONCE):
            part = sets[start : start + _SETS_AT_ONCE]
            served = np.broadcast_to(floor, (len(part), len(floor))).copy()
            for index in part.T:
                np.maximum(served, values[index], out=served)
            worths = served.sum(axis=1) - load[part].sum(axis=1)
            if worths.max() > most:
                most = worths.max()
                best = np.isin(np.arange(len(values)), part[worths.argmax()])
    return _without_useless_loads(best, values, floor, load)


def local_set(
    values: FloatArray, floor: FloatArray, load: FloatArray, sizes: FloatArray, capacity: float
) -> BoolArray:
    """Return a good set for any number of arms and any sizes: greedy from a few starts, then exchanges."""
    units = [np.ones(len(sizes))] if (sizes == sizes[0]).all() else [np.ones(len(sizes)), sizes]
    # Also start from residents only, and without the cost of loads: an expensive step may lead to the best set.
    loads = (load, np.where(load > 0, np.inf, 0.0), np.zeros(len(load)))
    starts = [_greedy(values, floor, each, sizes, capacity, unit) for unit in units for each in loads]
    if values.size > _ALL_STARTS_UP_TO:
        starts = [max(starts, key=lambda chosen: worth(chosen, values, floor, load))]
    improved = [_exchanged(start, values, floor, load, sizes, capacity) for start in starts]
    best = max(improved, key=lambda chosen: worth(chosen, values, floor, load))
    return _without_useless_loads(best, values, floor, load)


def _greedy(
    values: FloatArray, floor: FloatArray, load: FloatArray, sizes: FloatArray, capacity: float, unit: FloatArray
) -> BoolArray:
    """Add the arm with the largest gain per ``unit`` that still fits, while there is a gain.

    Gains decrease as the set grows, so an earlier gain is an upper bound, and an arm whose bound is below a new
    gain need not be evaluated (Minoux, 1978).
    """
    chosen = np.zeros(len(values), dtype=bool)
    served, room = floor.copy(), capacity
    gains = np.maximum(values, served).sum(axis=1) - served.sum() - load
    fresh = np.ones(len(values), dtype=bool)
    while True:
        gains[sizes > room] = -np.inf
        best = int(np.argmax(gains / unit))
        if not gains[best] > _LEAST_GAIN:
            return chosen
        if not fresh[best]:
            gains[best] = np.maximum(values[best] - served, 0.0).sum() - load[best]
            fresh[best] = True
            continue
        chosen[best] = True
        gains[best] = -np.inf
        room -= sizes[best]
        served = np.maximum(served, values[best])
        fresh[:] = False


def _exchanged(
    chosen: BoolArray, values: FloatArray, floor: FloatArray, load: FloatArray, sizes: FloatArray, capacity: float
) -> BoolArray:
    """Exchange one arm in the set for one outside, each time the best pair, while F grows.

    All pairs are evaluated at once: without arm k, a context served by k falls back to its second best arm. An
    empty arm of size 0 is added inside and outside, so that adding and removing an arm are exchanges too.
    """
    no_arm = [True, False]
    chosen = np.append(chosen, no_arm)
    values = np.vstack([values, np.full((2, values.shape[1]), -np.inf)])
    load, sizes = np.append(load, [0.0, 0.0]), np.append(sizes, [0.0, 0.0])
    for _ in range(_MAX_EXCHANGES):
        inside, outside = np.flatnonzero(chosen), np.flatnonzero(~chosen)
        owner, best, second = _owners(values[inside], floor)
        with_best = np.maximum(values[outside], best)
        loss = np.maximum(values[outside], second) - with_best
        owned = (owner[:, np.newaxis] == np.arange(len(inside))).astype(np.float64)
        total = with_best.sum(axis=1)[:, np.newaxis] + loss @ owned - load[outside][:, np.newaxis] + load[inside]
        room = capacity - sizes[chosen].sum()
        total[sizes[outside][:, np.newaxis] > sizes[inside] + room] = -np.inf
        i, k = np.unravel_index(int(np.argmax(total)), total.shape)
        if not total[i, k] - best.sum() > _LEAST_GAIN:
            break
        chosen[outside[i]], chosen[inside[k]] = True, False
        chosen[-2:] = no_arm
    return chosen[:-2]


def _owners(values: FloatArray, floor: FloatArray) -> tuple[IntArray, FloatArray, FloatArray]:
    """Return the arm that serves each context (−1: the floor), its gain, and the gain without that arm."""
    owner = values.argmax(axis=0)
    best = values[owner, np.arange(values.shape[1])]
    rest = values.copy()
    rest[owner, np.arange(values.shape[1])] = -np.inf
    second = np.maximum(rest.max(axis=0), floor)
    owner = np.where(best > floor, owner, -1)
    best = np.maximum(best, floor)
    return owner, best, np.where(owner < 0, best, second)


def _without_useless_loads(
    chosen: BoolArray, values: FloatArray, floor: FloatArray, load: FloatArray
) -> BoolArray:
    """Remove arms whose gain is not larger than the cost of their load."""
    best = worth(chosen, values, floor, load)
    for arm in np.flatnonzero(chosen & (load > 0)):
        fewer = chosen.copy()
        fewer[arm] = False
        if worth(fewer, values, floor, load) >= best:
            chosen, best = fewer, worth(fewer, values, floor, load)
    return chosen
