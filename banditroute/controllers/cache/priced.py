"""The cache-aware index: an arm's utility minus the cost of loading it from its current level."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from banditroute.controllers.base import Choice, Predict
from banditroute.controllers.cache.adapter import Adapter, Level, checked_adapters
from banditroute.controllers.cache.residency import Residency
from banditroute.core.arrays import FloatArray
from banditroute.core.log import DecisionRecord, FeedbackRecord
from banditroute.core.situation import Situation
from banditroute.core.validation import require_number
from banditroute.errors import InvalidArgumentError, SnapshotCorruptError

# Tolerance for sums of sizes, since the order of summation differs from that at the choice.
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class CachePlan:
    """Loads and evictions that the application should make.

    Attributes:
        to_load: Arms to load to the GPU, if they are not there yet.
        to_evict: Arms to evict from the GPU first, if they are there.
    """

    to_load: tuple[str, ...]
    to_evict: tuple[str, ...]


class PricedCache(ABC):
    """Prices arms that are not resident by their load time; subclasses choose the residents.

    The index of an arm becomes utility − ``utility_per_second`` × seconds until it serves. The model learns
    outcomes as reported, without this price: so the predictions of an arm do not depend on its level. Arms without
    an adapter are always ready.

    Args:
        adapters: Arm → its adapter.
        capacity: Capacity of the GPU, in the unit of the adapters' sizes (slots by default).
        utility_per_second: Cost of a second of waiting. [utility/s] ≥ 0
        residency: Reports the level of adapters; by default the controller's own plan.
        initial: Initial residents; by default the first adapters that fit.
    """

    name = "cache"

    def __init__(
        self,
        adapters: Mapping[str, Adapter],
        *,
        capacity: float,
        utility_per_second: float,
        residency: Residency | None = None,
        initial: Iterable[str] | None = None,
    ) -> None:
        self.adapters = checked_adapters(adapters, capacity)
        utility_per_second = require_number("utility_per_second", utility_per_second, least=0)
        self.capacity = capacity
        self.utility_per_second = float(utility_per_second)
        self._residency = residency
        self._resident: dict[str, None] = dict.fromkeys(
            self._fitting(self.adapters if initial is None else initial)
        )
        self._prices: FloatArray | None = None
        self._shown: Mapping[str, Any] | None = None
        self._priced_arms: tuple[str, ...] = ()

    @property
    def resident(self) -> tuple[str, ...]:
        """Arms that should be on the GPU."""
        return tuple(self._resident)

    def level(self, arm: str) -> Level:
        """Return the level of the arm by the controller's own plan."""
        return Level.GPU if arm in self._resident else Level.DISK

    def miss_cost(self, arm: str) -> float:
        """Return the cost of waiting for the arm now [utility]."""
        return self._miss_cost(arm, self._reported_levels())

    def control(self, situation: Situation, choice: Choice) -> FloatArray:
        """Return the choice with absent arms priced by their load time."""
        return choice(situation.priced(self._miss_costs(situation.arms)))

    def effects(self, situation: Situation) -> Mapping[str, Any]:
        """Return residents, and the price of every absent arm, as used by :meth:`control`."""
        costs = self._prices
        if costs is None or self._priced_arms is not situation.arms:
            costs = self._miss_costs(situation.arms)
        if self._shown is None:
            absent = {arm: float(cost) for arm, cost in zip(situation.arms, costs, strict=True) if cost}
            self._shown = {"resident": [*self._resident], "miss_cost": absent}
        return self._shown

    def plan(self) -> CachePlan:
        """Return the loads and evictions: by the reported residency if there is one, else by the plan alone."""
        if self._residency is None:
            return CachePlan(self.resident, tuple(arm for arm in self.adapters if arm not in self._resident))
        levels = self._reported_levels()
        on_gpu = {arm for arm in self.adapters if levels.get(arm, Level.DISK) is Level.GPU}
        wanted = tuple(arm for arm in self.adapters if arm in self._resident)
        return CachePlan(
            to_load=tuple(arm for arm in wanted if arm not in on_gpu),
            to_evict=tuple(arm for arm in self.adapters if arm in on_gpu and arm not in self._resident),
        )

    @abstractmethod
    def decided(self, record: DecisionRecord, predict: Predict) -> None:
        """Update the residents by a decision."""

    def learned(self, record: FeedbackRecord) -> None:  # noqa: B027  # a hook that caches do not need
        """Do nothing: the cache depends on decisions and their predictions, not on outcomes."""

    def state(self) -> Mapping[str, Any]:
        """Return the residents, in order."""
        return {"resident": [*self._resident]}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from the result of :meth:`state`.

        Raises:
            SnapshotCorruptError: if the state is damaged, or does not fit this cache's adapters and capacity;
                nothing was changed.
        """
        self._hold(self._checked(state.get("resident"), self.capacity))

    def _checked(self, arms: object, capacity: float) -> list[str]:
        """Return the arms of a state; raises SnapshotCorruptError if this cache cannot hold them."""
        if not (isinstance(arms, list) and all(isinstance(arm, str) and arm in self.adapters for arm in arms)):
            raise SnapshotCorruptError(f"state of {self.name!r} holds {arms!r}, not arms with an adapter")
        size = sum(self.adapters[arm].size for arm in arms)
        if len(set(arms)) < len(arms) or not size <= capacity * (1 + _ROUNDING):
            raise SnapshotCorruptError(f"state of {self.name!r} holds {arms!r}: more than fits into {capacity:g}")
        return arms

    def _hold(self, arms: Iterable[str]) -> None:
        self._resident = dict.fromkeys(arms)
        self._prices = None

    def _miss_costs(self, arms: tuple[str, ...]) -> FloatArray:
        # Without a reported residency, prices change only when residents do.
        if self._prices is None or self._residency is not None or self._priced_arms is not arms:
            levels = self._reported_levels()
            self._prices = np.array([self._miss_cost(arm, levels) for arm in arms])
            self._shown = None
            self._priced_arms = arms
        return self._prices

    def _miss_cost(self, arm: str, levels: Mapping[str, Level]) -> float:
        adapter = self.adapters.get(arm)
        return (
            0.0
            if adapter is None
            else self.utility_per_second * adapter.seconds_from(levels.get(arm, self.level(arm)))
        )

    def _reported_levels(self) -> Mapping[str, Level]:
        return {} if self._residency is None else self._residency.levels()

    def _may_hold(self, arm: str) -> bool:
        return arm in self.adapters and self.adapters[arm].size <= self.capacity

    def _fitting(self, arms: Iterable[str]) -> list[str]:
        room, fitting = self.capacity, []
        for arm in dict.fromkeys(arms):
            if arm not in self.adapters:
                raise InvalidArgumentError(f"initial names {arm!r}, which has no adapter")
            if self.adapters[arm].size <= room:
                fitting.append(arm)
                room -= self.adapters[arm].size
        return fitting
