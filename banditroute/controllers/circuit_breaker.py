"""Circuit breaker: stops routing to arms whose calls fail, whatever the quality of their answers."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from banditroute.controllers.base import Choice, Predict
from banditroute.core.arrays import FloatArray
from banditroute.core.log import DecisionRecord, FeedbackRecord
from banditroute.core.log_time import LogTime
from banditroute.core.situation import Situation
from banditroute.core.validation import require_integer, require_number

KEPT_OUTAGES = 50
_AVAILABLE_FROM = 0.5
_US = 1_000_000


@dataclass(frozen=True, slots=True)
class _Circuit:
    """The circuit of one arm.

    Attributes:
        failures: Number of consecutive failures while closed.
        open_since_us: Time of the log at which it was opened [us]; None while closed.
        probe_from_us: Time of the log from which one request may try the arm [us].
        cool_down_us: Time from a try to the next one [us].
        probe: Key of the try whose outcome is pending, as hexadecimal digits; empty for none.
    """

    failures: int = 0
    open_since_us: int | None = None
    probe_from_us: int = 0
    cool_down_us: int = 0
    probe: str = ""


class CircuitBreaker:
    """Excludes an arm whose calls fail, and tries it again after a cool-down.

    The application reports the success of the call under a separate objective: 1 if the arm answered, 0 if the
    call failed (an error, a time-out), independent of the quality of the answer. It needs no preference::

        objectives = [Objective("quality"), Objective("available")]
        router.feedback(decision.id, available=0)                          # the call failed
        router.feedback(decision.id, served_arm="small", quality=0.7)      # this arm served instead

    After ``failures`` failed calls in a row the circuit of the arm opens, and the arm is not eligible. After the
    cool-down one request may try the arm, if the policy chooses it; if it succeeds, the circuit closes, else the
    cool-down grows. A try without an outcome is given up after another cool-down. If the circuits of all eligible
    arms are open, all of them may serve: an uncertain answer is better than none.

    Detection by users' requests has a cost: to detect a recovery within r requests, one in r requests must fail
    while the arm is down. An application that can probe the arm itself should do so, for the arms in :attr:`open`,
    with a request that only this arm may serve::

        decision = router.route(x, allowed=[arm])
        router.feedback(decision.id, available=ping(arm))

    Such a probe closes the circuit as a try does, and postpones the next try by a user's request.

    Put it before other controllers, so that they do not force an arm that is down.

    Args:
        objective: Objective under which availability is reported, from 0 to 1; below ½ the call failed.
        failures: Number of consecutive failures that opens the circuit. ≥ 1
        cool_down_s: Time from opening it to the first try. [s] > 0
        growth: Factor of the cool-down after a failed try. ≥ 1
        longest_s: Longest cool-down. [s] ≥ cool_down_s
    """

    name = "health"

    def __init__(
        self,
        *,
        objective: str = "available",
        failures: int = 3,
        cool_down_s: float = 10.0,
        growth: float = 2.0,
        longest_s: float = 300.0,
    ) -> None:
        failures = require_integer("failures", failures, least=1)
        cool_down_s = require_number("cool_down_s", cool_down_s, above=0)
        growth = require_number("growth", growth, least=1)
        longest_s = require_number("longest_s", longest_s, least=cool_down_s)
        self.objective = objective
        self.failures = failures
        self.growth = float(growth)
        self._first_us = int(cool_down_s * _US)
        self._longest_us = int(longest_s * _US)
        self._circuits: dict[str, _Circuit] = {}
        self._outages: list[dict[str, Any]] = []
        self._time = LogTime()

    @property
    def open(self) -> tuple[str, ...]:
        """Return the arms whose circuits are open."""
        return tuple(sorted(arm for arm, circuit in self._circuits.items() if circuit.open_since_us is not None))

    def control(self, situation: Situation, choice: Choice) -> FloatArray:
        """Choose among the arms whose circuits are closed or may be tried."""
        shut = self._shut(situation)
        if not shut:
            return choice(situation)
        left = situation.eligible & np.array([arm not in shut for arm in situation.arms])
        return choice(situation.narrowed(left) if left.any() else situation)

    def effects(self, situation: Situation) -> Mapping[str, Any]:
        """Return the excluded arms, and the arms that may be tried."""
        shut = self._shut(situation)
        trying = [arm for arm in self.open if arm not in shut and arm in situation.arms]
        return {"open": shut, "half_open": trying}

    def decided(self, record: DecisionRecord, predict: Predict) -> None:
        """Note a decision for an arm with an open circuit as a try."""
        now_us = self._time.advance(record.created_us)
        circuit = self._circuits.get(record.arm)
        if circuit is not None and circuit.open_since_us is not None:
            again_us = now_us + circuit.cool_down_us
            self._circuits[record.arm] = replace(circuit, probe=record.decision_key.hex(), probe_from_us=again_us)

    def learned(self, record: FeedbackRecord) -> None:
        """Open or close a circuit, or extend its cool-down."""
        self._time.advance(record.received_us)
        if self.objective not in record.outcomes or record.values is None or record.revision:
            return
        circuit = self._circuits.get(record.arm, _Circuit())
        up = record.outcomes[self.objective] >= _AVAILABLE_FROM
        if circuit.open_since_us is None:
            self._circuits[record.arm] = self._closed(record, circuit, up=up)
        elif record.decision_key.hex() == circuit.probe:
            self._circuits[record.arm] = self._tried(record, circuit, up=up)

    def report(self) -> Mapping[str, Any]:
        """Return open circuits and the last outages: arm, start, end."""
        return {"open": [*self.open], "outages": [dict(outage) for outage in self._outages]}

    def state(self) -> Mapping[str, Any]:
        """Return all circuits and the last outages."""
        return {
            "circuits": {arm: asdict(circuit) for arm, circuit in self._circuits.items()},
            "outages": [dict(outage) for outage in self._outages],
            "time": self._time.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from the result of :meth:`state`."""
        self._circuits = {arm: _Circuit(**facts) for arm, facts in state["circuits"].items()}
        self._outages = [dict(outage) for outage in state["outages"]]
        self._time = LogTime.restored(state.get("time"))

    def _closed(self, record: FeedbackRecord, circuit: _Circuit, *, up: bool) -> _Circuit:
        if up:
            return _Circuit()
        failures = circuit.failures + 1
        if failures < self.failures:
            return replace(circuit, failures=failures)
        now_us = self._time.at(record.received_us)
        outage = {"arm": record.arm, "since_us": record.received_us, "until_us": None}
        self._outages = [*self._outages, outage][-KEPT_OUTAGES:]
        return _Circuit(failures, now_us, now_us + self._first_us, self._first_us)

    def _tried(self, record: FeedbackRecord, circuit: _Circuit, *, up: bool) -> _Circuit:
        if up:
            self._outages = [
                {**each, "until_us": record.received_us}
                if (each["arm"], each["until_us"]) == (record.arm, None)
                else each
                for each in self._outages
            ]
            return _Circuit()
        longer = min(int(circuit.cool_down_us * self.growth), self._longest_us)
        again_us = self._time.at(record.received_us) + longer
        return replace(circuit, probe="", probe_from_us=again_us, cool_down_us=longer)

    def _shut(self, situation: Situation) -> list[str]:
        if not self._circuits:
            return []
        now_us = self._time.at(situation.request.now_us)
        return [arm for arm in self.open if now_us < self._circuits[arm].probe_from_us and arm in situation.arms]
