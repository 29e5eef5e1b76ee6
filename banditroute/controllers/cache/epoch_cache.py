"""Cache-aware routing on two time-scales: POLAR and POLAR+, reconstructed."""

import base64
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, TypeGuard

import numpy as np

from banditroute.controllers.base import Choice, Predict
from banditroute.controllers.cache.adapter import Adapter, Level
from banditroute.controllers.cache.epochs import DoublingEpochs, Epochs
from banditroute.controllers.cache.placement import best_set, drawn_values
from banditroute.controllers.cache.priced import PricedCache
from banditroute.controllers.cache.residency import Residency
from banditroute.core.arrays import FloatArray, RowArray
from banditroute.core.log import DecisionRecord
from banditroute.core.situation import Situation
from banditroute.core.validation import require_integer, require_number
from banditroute.errors import SnapshotCorruptError

# The fractional parts of multiples of the golden ratio are evenly spread, and follow no period of the requests.
_GOLDEN = 0.6180339887498949


class EpochCache(PricedCache):
    """Chooses an adapter for each request, and the resident adapters for each epoch.

    Within an epoch the residents are fixed, and the index of an absent arm is reduced by the cost of its load (a
    miss is served from a transient slot). At the end of the epoch the next residents are chosen for the last
    contexts, by the facility location of :mod:`~banditroute.controllers.cache.placement`, including the cost of
    loads.

    Forced requests are evenly spread over an epoch by their number alone, and are decided without prices. So the
    policy is asked once per request, and controllers between this one and the policy still apply. All requests of
    a ``route_many`` batch share one number.

    With :class:`~banditroute.controllers.FixedEpochs` this is POLAR, with
    :class:`~banditroute.controllers.DoublingEpochs` POLAR+. Only the abstract of the paper is public: this is a
    reconstruction by its principles, not the authors' algorithm, and the paper's theorems are not claimed for it.

    Args:
        adapters: Arm → its adapter.
        capacity: Capacity of the GPU, in the unit of the adapters' sizes (slots by default).
        utility_per_second: Cost of a second of waiting. [utility/s] ≥ 0
        epochs: Lengths of the epochs, and their forced exploration.
        optimism: Number of widths added to an arm's mean when residents are chosen by draws from the posterior;
            with 0, a slightly worse set may be held for a long time. ≥ 0
        host_capacity: Capacity of the host memory, in the same unit; 0 for a single tier.
        window: Number of last contexts for which residents are chosen; they may span several short epochs. A
            larger window makes the choice more certain, a smaller one follows a shift sooner.
        residency: Reports the level of adapters; by default the controller's own plan.
        initial: Initial residents; by default the first adapters that fit.
        seed: Seed of the draws. A later version of numpy may draw other numbers for the same seed.

    References:
        "POLAR: online learning for LoRA adapter caching and routing in edge LLM serving", arXiv 2604.16583
        (abstract).
    """

    def __init__(
        self,
        adapters: Mapping[str, Adapter],
        *,
        capacity: float,
        utility_per_second: float,
        epochs: Epochs | None = None,
        optimism: float = 0.25,
        host_capacity: float = 0.0,
        window: int = 1024,
        residency: Residency | None = None,
        initial: Iterable[str] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(
            adapters,
            capacity=capacity,
            utility_per_second=utility_per_second,
            residency=residency,
            initial=initial,
        )
        optimism = require_number("optimism", optimism, least=0)
        host_capacity = require_number("host_capacity", host_capacity, least=0)
        window = require_integer("window", window, least=1)
        seed = require_integer("seed", seed, least=0)
        self.epochs: Epochs = DoublingEpochs() if epochs is None else epochs
        self.optimism = float(optimism)
        self.seed = seed
        self.host_capacity = float(host_capacity)
        self._on_host: frozenset[str] = frozenset()
        self._last_effects: tuple[Mapping[str, Any], Mapping[str, Any]] | None = None
        self._rows: deque[RowArray] = deque(maxlen=window)
        self._begin(0, 0)

    def level(self, arm: str) -> Level:
        """Return the planned level of the arm: GPU, host or disk."""
        if arm in self._resident:
            return Level.GPU
        return Level.HOST if arm in self._on_host else Level.DISK

    def control(self, situation: Situation, choice: Choice) -> FloatArray:
        """Return the choice by the cache-aware index; for a forced request, by the index without prices."""
        return choice(situation) if self._forced else super().control(situation, choice)

    def effects(self, situation: Situation) -> Mapping[str, Any]:
        """Return residents, prices, epoch, and whether this request is forced (then without prices)."""
        if self._forced:
            return {"resident": [*self._resident], "miss_cost": {}, "epoch": self.epoch, "forced": True}
        shown = super().effects(situation)
        if self._last_effects is None or self._last_effects[0] is not shown:
            self._last_effects = shown, {**shown, "epoch": self.epoch, "forced": False}
        return self._last_effects[1]

    def decided(self, record: DecisionRecord, predict: Predict) -> None:
        """Store the context; at the end of the epoch, choose the next residents by current predictions."""
        self._rows.append(record.row)
        if self._seen + 1 >= self._length:
            self._choose_residents(record, predict)
            self._begin(self.epoch + 1, 0)
        else:
            self._seen += 1
            self._forced = self._share > 0 and (self._seen + 1) * _GOLDEN % 1.0 < self._share

    def _begin(self, epoch: int, seen: int) -> None:
        self.epoch = epoch
        self._seen = seen
        self._last_effects = None
        self._length = self.epochs.length(epoch)
        self._share = self.epochs.forced_share(epoch, len(self.adapters))
        self._forced = (seen + 1) * _GOLDEN % 1.0 < self._share

    def _choose_residents(self, record: DecisionRecord, predict: Predict) -> None:
        # Arms that this caller did not allow may serve other requests; retired and draining arms may not.
        gone = {arm for arm, rule in record.excluded.items() if rule.startswith("status ")}
        names = [arm for arm in record.arms if arm in self.adapters and arm not in gone]
        if not names:
            return
        indices = [record.arms.index(arm) for arm in names]
        others = [i for i, arm in enumerate(record.arms) if arm not in self.adapters and arm not in gone]
        mean, width = predict(np.stack(self._rows))
        # Seeded by seed and epoch only, so that a restart draws the same numbers.
        generator = np.random.default_rng([self.seed, self.epoch])
        utilities = drawn_values(
            (mean @ record.weights).T, (width @ np.abs(record.weights)).T, self.optimism, generator
        )
        values = utilities[indices]
        sizes = np.array([self.adapters[arm].size for arm in names])
        miss = self._prices_from(names, Level.HOST if self.host_capacity else Level.DISK)
        load = self.utility_per_second * np.array(
            [self.adapters[arm].seconds_from(self.level(arm)) for arm in names]
        )
        ready = utilities[others].max(axis=0, initial=-np.inf)
        floor = np.maximum(ready, (values - miss[:, np.newaxis]).max(axis=0))
        chosen = best_set(values, floor, self._per_window(load), sizes, self.capacity)
        room = self.capacity - sizes[chosen].sum()
        # Residents outside the set stay where there is room: evicting them gains nothing.
        for i in (names.index(arm) for arm in self._resident if arm in names):
            if not chosen[i] and sizes[i] <= room:
                chosen[i] = True
                room -= sizes[i]
        if self.host_capacity:
            from_disk = self._prices_from(names, Level.DISK)[:, np.newaxis]
            served = np.maximum(values[chosen].max(axis=0, initial=-np.inf), ready)
            floor = np.maximum(served, (values - from_disk).max(axis=0))
            nearby = best_set(values - miss[:, np.newaxis], floor, np.zeros(len(names)), sizes, self.host_capacity)
            self._on_host = frozenset(np.array(names)[nearby & ~chosen].tolist())
        self._hold([arm for arm, held in zip(names, chosen.tolist(), strict=True) if held])

    def _per_window(self, load: FloatArray) -> FloatArray:
        """Scale the cost of loads from the next epoch, where it is paid once, to the window, a sample of it."""
        return load * len(self._rows) / self.epochs.length(self.epoch + 1)

    def _prices_from(self, names: list[str], level: Level) -> FloatArray:
        return self.utility_per_second * np.array([self.adapters[arm].seconds_from(level) for arm in names])

    def state(self) -> Mapping[str, Any]:
        """Return residents, position in the epoch, and the rows of the window as base64 of int32."""
        return {
            **super().state(),
            "on_host": sorted(self._on_host),
            "epoch": self.epoch,
            "seen": self._seen,
            "rows": [base64.b64encode(row.astype("<i4").tobytes()).decode() for row in self._rows],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from the result of :meth:`state`."""
        on_host = self._checked(state.get("on_host"), self.host_capacity)
        epoch, seen, rows = (state.get(name) for name in ("epoch", "seen", "rows"))
        if not (_is_count(epoch) and _is_count(seen) and seen < self.epochs.length(epoch)):
            raise SnapshotCorruptError(f"state of {self.name!r} has seen {seen!r} requests of epoch {epoch!r}")
        read = _rows(rows)
        if read is None or len(read) > (self._rows.maxlen or 0):
            raise SnapshotCorruptError(f"state of {self.name!r} has no window of rows that fits its settings")
        super().restore(state)
        self._on_host = frozenset(on_host)
        self._begin(epoch, seen)
        self._rows.clear()
        self._rows.extend(read)


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _rows(texts: object) -> list[RowArray] | None:
    """Return rows decoded from base64; None if they are invalid or differ in length."""
    if not isinstance(texts, list):
        return None
    try:
        rows = [np.frombuffer(base64.b64decode(text, validate=True), "<i4") for text in texts]
    except (ValueError, TypeError):
        return None
    return rows if len({len(row) for row in rows}) <= 1 else None
