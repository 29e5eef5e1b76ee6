"""What operators do to a running router: preferences, arms and prices, all of it live."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from banditroute.arms import Arm, ArmStatus, Price
from banditroute.errors import InvalidArgumentError
from banditroute.objectives import Objectives, Preferences
from banditroute.outbox import Outbox
from banditroute.records import ArmRecord
from banditroute.state import State
from banditroute.state.prices import effective_us
from banditroute.state.roster import new_arm_record
from banditroute.terms import Terms


class Operations(ABC):
    """The operating half of :class:`~banditroute.Router`; each change is recorded and none forgets anything."""

    objectives: Objectives
    _lock: threading.RLock
    _state: State
    _terms: Terms
    _outbox: Outbox

    @property
    def preferences(self) -> Mapping[str, float]:
        """The weights of all requests that bring none of their own; setting them acts at once."""
        return dict(self._terms.standing.preferences)

    @preferences.setter
    def preferences(self, preferences: Preferences) -> None:
        with self._lock:
            record = self._terms.changed(preferences, now_us=self._now_us())
            self._terms.stand(record)
            self._outbox.put([record])

    @property
    def arms(self) -> Mapping[str, ArmStatus]:
        """Arm → ``"active"``, ``"draining"`` or ``"retired"``."""
        return {name: self._state.roster.record(name).status for name in self._state.roster.names}

    def add_arm(self, arm: Arm) -> None:
        """Add an arm; it is tried out with a share of the traffic before its score decides."""
        with self._lock:
            record = new_arm_record(arm, self.objectives, now_us=self._now_us())
            if arm.name in self._state.roster.names:
                raise InvalidArgumentError(f"arm {arm.name!r} exists already; names are never used again")
            self._put(record)

    def set_price(self, arm: str, price: Price, *, effective_at: datetime | None = None) -> None:
        """Change what an arm's tokens cost, from now or from ``effective_at`` on; nothing learned is lost.

        A time in the past means now: decisions that were made are not priced anew.
        """
        with self._lock:
            when = effective_us(effective_at, self._now_us())
            price_now = replace(self._state.roster.record(arm).arm, price=price)
            self._change(arm, arm=price_now, price_effective_us=when)

    def drain_arm(self, arm: str) -> None:
        """Send no new requests to an arm; feedback for its decisions is still learned."""
        with self._lock:
            if self._state.roster.record(arm).status == "retired":
                raise InvalidArgumentError(f"arm {arm!r} is retired, for good")
            self._change(arm, status="draining")

    def retire_arm(self, arm: str, *, successor: str | None = None) -> None:
        """Take an arm out for good; in later ``allowed=`` lists its successor stands for it."""
        with self._lock:
            self._state.roster.position(arm)
            if successor is not None:
                self._state.roster.position(successor)
            if successor == arm:
                raise InvalidArgumentError(f"arm {arm!r} cannot be its own successor")
            self._change(arm, status="retired", successor=successor)

    def _change(self, name: str, **changes: Any) -> None:
        self._put(replace(self._state.roster.record(name), **changes, recorded_us=self._now_us()))

    def _put(self, record: ArmRecord) -> None:
        self._state.roster.put(record)
        self._outbox.put([record])

    @abstractmethod
    def _now_us(self) -> int:
        """The router's clock [us]."""
