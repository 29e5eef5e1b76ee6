"""Caches that do not learn the value of an adapter: the baselines of a cache controller."""

from collections.abc import Mapping
from typing import Any

from banditroute.controllers.base import Predict
from banditroute.controllers.cache.priced import PricedCache
from banditroute.core.log import DecisionRecord
from banditroute.errors import SnapshotCorruptError


class StaticCache(PricedCache):
    """Holds the same residents permanently (``initial``), chosen by hand, by prior quality, or at random."""

    def decided(self, record: DecisionRecord, predict: Predict) -> None:  # of the protocol
        """Do nothing: the residents never change."""


class LRUCache(PricedCache):
    """Makes each arm that serves resident, and evicts the arm that was used least recently."""

    def decided(self, record: DecisionRecord, predict: Predict) -> None:
        """Make the arm the most recently used one."""
        if not self._may_hold(record.arm):
            return
        held = {arm: None for arm in self._resident if arm != record.arm}
        room = self.capacity - self.adapters[record.arm].size - sum(self.adapters[arm].size for arm in held)
        while room < 0 and held:
            oldest = next(iter(held))
            del held[oldest]
            room += self.adapters[oldest].size
        self._hold((*held, record.arm))


class LFUCache(PricedCache):
    """Makes each arm that serves resident, and evicts the arm that was used least often, the oldest first."""

    def decided(self, record: DecisionRecord, predict: Predict) -> None:
        """Count the use of the arm, and load it."""
        if not self._may_hold(record.arm):
            return
        self._served[record.arm] = self._served.get(record.arm, 0) + 1
        held = [arm for arm in self._resident if arm != record.arm]
        room = self.capacity - self.adapters[record.arm].size - sum(self.adapters[arm].size for arm in held)
        while room < 0 and held:
            least = min(held, key=lambda arm: self._served.get(arm, 0))
            held.remove(least)
            room += self.adapters[least].size
        self._hold((*held, record.arm))

    _served: dict[str, int]

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._served = {}

    def state(self) -> Mapping[str, Any]:
        """Return residents and counts."""
        return {**super().state(), "served": dict(self._served)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from the result of :meth:`state`."""
        served = state.get("served")
        if not isinstance(served, dict) or not served.keys() <= self.adapters.keys():
            raise SnapshotCorruptError(f"state of {self.name!r} counts {served!r}, not arms with an adapter")
        super().restore(state)
        self._served = dict(served)
