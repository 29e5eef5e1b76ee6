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

# Multiples of the golden ratio fall evenly into [0, 1) and in step with no period of the requests.
_GOLDEN = 0.6180339887498949


class EpochCache(PricedCache):
    """Chooses an adapter for each request, and which adapters to hold for each epoch.

    Within an epoch the residents are fixed and the index prices absent arms by their loading (a miss is served
    from a transient slot). At its end the next residents are chosen for the contexts seen last, by the facility
    location of :mod:`~banditroute.controllers.cache.placement`, loading included.

    Forced requests are evenly spread over an epoch, by their number alone, and are decided without prices. So the
    policy is asked once for each request, and whatever stands between this controller and the policy is obeyed. A
    batch of ``route_many`` shares one number.

    With :class:`~banditroute.controllers.FixedEpochs` this is POLAR, with
    :class:`~banditroute.controllers.DoublingEpochs` POLAR+. Only the abstract of the paper is public: this is a
    reconstruction by its principles, not the authors' algorithm, and its theorems are not claimed for it.

    Args:
        adapters: Arm → its adapter.
        capacity: Of the GPU, in the unit of the adapters' sizes (slots by default).
        utility_per_second: What a second of waiting costs, in units of utility. [utility/s] ≥ 0
        epochs: Their lengths and their forced exploration.
        optimism: Which multiple of its width is added to an arm's mean where residents are chosen by draws from
            the belief: at 0 a set that is a little too poor may be held for long. ≥ 0
        host_capacity: Of the host memory below the GPU, in the same unit; 0 for a single tier.
        window: How many contexts, the last ones, are looked at when residents are chosen: of several epochs where
            those are short. The more, the surer the choice; the fewer, the sooner it follows a shift.
        residency: Evidence of where adapters lie; by default the controller's own plan.
        initial: Residents to begin with; by default the first that fit.
        seed: Of the draws; numpy does not promise the same draws in later versions, so a later numpy may choose
        otherwise.

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
        require_number("optimism", optimism, least=0)
        require_number("host_capacity", host_capacity, least=0)
        require_integer("window", window, least=1)
        require_integer("seed", seed, least=0)
        self.epochs: Epochs = DoublingEpochs() if epochs is None else epochs
        self.optimism = float(optimism)
        self.seed = seed
        self.host_capacity = float(host_capacity)
        self._on_host: frozenset[str] = frozenset()
        self._told: tuple[Mapping[str, Any], Mapping[str, Any]] | None = None
        self._rows: deque[RowArray] = deque(maxlen=window)
        self._begin(0, 0)

    def level(self, arm: str) -> Level:
        """GPU, host or disk."""
        if arm in self._resident:
            return Level.GPU
        return Level.HOST if arm in self._on_host else Level.DISK

    def control(self, situation: Situation, choice: Choice) -> FloatArray:
        """The choice of the cache-aware index; of the index without prices where this request is forced."""
        return choice(situation) if self._forced else super().control(situation, choice)

    def effects(self, situation: Situation) -> Mapping[str, Any]:
        """Residents, prices that were charged, epoch, and whether this request was forced (then at no price)."""
        if self._forced:
            return {"resident": [*self._resident], "miss_cost": {}, "epoch": self.epoch, "forced": True}
        shown = super().effects(situation)
        if self._told is None or self._told[0] is not shown:
            self._told = shown, {**shown, "epoch": self.epoch, "forced": False}
        return self._told[1]

    def decided(self, record: DecisionRecord, predict: Predict) -> None:
        """Remember the context; at the end of the epoch choose the next residents by what is believed then."""
        self._rows.append(record.row)
        if self._seen + 1 >= self._length:
            self._place(record, predict)
            self._begin(self.epoch + 1, 0)
        else:
            self._seen += 1
            self._forced = self._share > 0 and (self._seen + 1) * _GOLDEN % 1.0 < self._share

    def _begin(self, epoch: int, seen: int) -> None:
        self.epoch = epoch
        self._seen = seen
        self._told = None
        self._length = self.epochs.length(epoch)
        self._share = self.epochs.forced_share(epoch, len(self.adapters))
        self._forced = (seen + 1) * _GOLDEN % 1.0 < self._share

    def _place(self, record: DecisionRecord, predict: Predict) -> None:
        # Retired and draining arms serve no request, whatever the caller of this request allowed.
        gone = {arm for arm, rule in record.excluded.items() if rule.startswith("status ")}
        names = [arm for arm in record.arms if arm in self.adapters and arm not in gone]
        if not names:
            return
        indices = [record.arms.index(arm) for arm in names]
        others = [i for i, arm in enumerate(record.arms) if arm not in self.adapters and arm not in gone]
        mean, width = predict(np.stack(self._rows))
        # Of the seed and the epoch alone, so that a restart draws the same.
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
        # Who gains nothing is not loaded, but is not evicted for nothing either.
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
        """Loading is paid once in the coming epoch, of which the window is a sample."""
        return load * len(self._rows) / self.epochs.length(self.epoch + 1)

    def _prices_from(self, names: list[str], level: Level) -> FloatArray:
        return self.utility_per_second * np.array([self.adapters[arm].seconds_from(level) for arm in names])

    def state(self) -> Mapping[str, Any]:
        """Residents, place in the epoch, and the rows of its window as base64 of int32."""
        return {
            **super().state(),
            "on_host": sorted(self._on_host),
            "epoch": self.epoch,
            "seen": self._seen,
            "rows": [base64.b64encode(row.astype("<i4").tobytes()).decode() for row in self._rows],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from what :meth:`state` gave."""
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
    """Rows of one length from their base64, or None."""
    if not isinstance(texts, list):
        return None
    try:
        rows = [np.frombuffer(base64.b64decode(text, validate=True), "<i4") for text in texts]
    except (ValueError, TypeError):
        return None
    return rows if len({len(row) for row in rows}) <= 1 else None
