"""Drift detection: finds arms whose outcomes deviate from their predictions and discounts their past data."""

import base64
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from banditroute.controllers.base import Choice, DiscountRequest, OutcomePrediction, Predict
from banditroute.controllers.drift.detectors import ADWIN, Detector, PageHinkley
from banditroute.core.arrays import FloatArray
from banditroute.core.log import DecisionRecord, FeedbackRecord
from banditroute.core.situation import Situation
from banditroute.core.validation import require_integer, require_number
from banditroute.errors import InvalidArgumentError
from banditroute.policies.exploration import mix_uniform

STANDARD_DETECTORS: tuple[Detector, ...] = (ADWIN(), PageHinkley())
KEPT_ALARMS = 50
RECENT = 32
LEAST_WINDOW = 4 * RECENT

_UNIT = 2.0**-8
_CLIP = 3.0
_PRIOR_ROWS = 8
_LEAST_EFFECT = 0.25
_WIDEST_WATCH = 0.5


class Drift:
    """Finds arms whose outcomes changed, discounts their past data, and watches them for some time.

    Detectors receive the standardised residuals of each arm and objective, (y − μ) / √(σ² + s²), just before y is
    learned. A change that the model already predicts raises no alarm, and the same settings suit judges' scores,
    pass/fail checks, dollars and seconds. On an alarm the weight of the arm's sums of that objective's group is
    multiplied by 2⁻ʰ; so the arm's width grows, and later outcomes have more effect. No data is deleted: only the
    weight with which sums are read changes, and the log determines when.

    An arm that is not chosen cannot show that it recovered. So for some requests after an alarm it gets a small
    share of the traffic, whatever its predicted utility.

    A log written without this controller can be reopened with it: the replay then raises its alarms, which
    discount whole epochs.

    Args:
        detectors: Factories of detectors; each of them may raise an alarm.
        halvings: h, number of times that an alarm halves the weight of past data. [1, 40]
        grace: Number of outcomes of an arm that detectors ignore, for a new arm and after an alarm, while the arm
            is being learned. ≥ 0
        window: Largest number of residuals kept for an arm and objective. ≥ 128
        watch_share: Share of the traffic for an arm after an alarm. [0, 1)
        watch_requests: Number of requests after an alarm for which the arm gets this share. ≥ 0

    >>> drift = Drift(halvings=2)
    >>> drift.report()
    {'alarms': 0, 'watched': [], 'last': []}
    """

    name = "drift"

    def __init__(
        self,
        *,
        detectors: Sequence[Detector] = STANDARD_DETECTORS,
        halvings: int = 3,
        grace: int = 30,
        window: int = 1024,
        watch_share: float = 0.02,
        watch_requests: int = 5_000,
    ) -> None:
        if not detectors or not all(callable(detector) for detector in detectors):
            raise InvalidArgumentError("detectors must be one or more factories of detectors, such as ADWIN()")
        halvings = require_integer("halvings", halvings, least=1, most=40)
        window = require_integer("window", window, least=LEAST_WINDOW)
        grace = require_integer("grace", grace, least=0)
        watch_share = require_number("watch_share", watch_share, least=0, below=1)
        watch_requests = require_integer("watch_requests", watch_requests, least=0)
        self.detectors = tuple(detectors)
        # river takes a second to import, so it is imported here and not during the first feedback.
        _Stream(self.detectors, grace, window)
        self.halvings = halvings
        self.grace = grace
        self.window = window
        self.watch_share = watch_share
        self.watch_requests = watch_requests
        self._streams: dict[tuple[str, str], _Stream] = {}
        self._alarms: list[dict[str, Any]] = []
        self._count = 0
        self._watched: dict[str, int] = {}

    def control(self, situation: Situation, choice: Choice) -> FloatArray:
        """Return the choice, mixed with a small share for arms that changed recently."""
        probabilities = choice(situation)
        watched = self._watched_now(situation)
        if not watched:
            return probabilities
        share = min(self.watch_share * len(watched), _WIDEST_WATCH)
        return mix_uniform(probabilities, share, np.array([arm in watched for arm in situation.arms]))

    def effects(self, situation: Situation) -> Mapping[str, Any]:
        """Return the watched arms, and the number of alarms."""
        return {"watched": self._watched_now(situation), "alarms": self._count}

    def decided(self, record: DecisionRecord, predict: Predict) -> None:
        """Reduce the remaining requests of each watched arm."""
        if self._watched:
            self._watched = {arm: left - 1 for arm, left in self._watched.items() if left > 1}

    def observe(self, record: FeedbackRecord, outlook: OutcomePrediction) -> Sequence[DiscountRequest]:
        """Update the arm's detectors by its residuals; on an alarm, request a discount of its past data."""
        assert record.values is not None
        residuals = outlook.standardised_residual(record.values).tolist()
        alarms = []
        for objective, residual in zip(outlook.names, residuals, strict=True):
            stream = self._streams.get((record.arm, objective))
            if stream is None:
                stream = self._streams[record.arm, objective] = _Stream(self.detectors, self.grace, self.window)
            if stream.alarmed_by(residual):
                alarms.append({"arm": record.arm, "objective": objective, "surprise": stream.recent()})
        if not alarms:
            return ()
        # The discount changes the predictions for all objectives of the group, so their streams start again.
        for objective in outlook.names:
            del self._streams[record.arm, objective]
        for alarm in alarms:
            alarm |= {"learned": record.number, "received_us": record.received_us}
        self._alarms = [*self._alarms, *alarms][-KEPT_ALARMS:]
        self._count += len(alarms)
        if self.watch_share and self.watch_requests:
            self._watched = {**self._watched, record.arm: self.watch_requests}
        return [DiscountRequest(record.arm, record.group, self.halvings)]

    def learned(self, record: FeedbackRecord) -> None:
        """Do nothing: :meth:`observe` has processed the outcome."""

    def report(self) -> Mapping[str, Any]:
        """Return number of alarms, watched arms, and the last alarms: arm, objective, mean residual, time."""
        last = [dict(each) for each in self._alarms]
        return {"alarms": self._count, "watched": sorted(self._watched), "last": last}

    def state(self) -> Mapping[str, Any]:
        """Return the residuals as base64 of int16 [2⁻⁸]; detectors are rebuilt from them."""
        return {
            "streams": [[*key, *stream.state()] for key, stream in self._streams.items()],
            "alarms": [dict(each) for each in self._alarms],
            "count": self._count,
            "watched": dict(self._watched),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from the result of :meth:`state`."""
        self._streams = {}
        for arm, objective, *facts in state["streams"]:
            stream = _Stream(self.detectors, self.grace, self.window)
            stream.restore(*facts)
            self._streams[arm, objective] = stream
        self._alarms = [dict(each) for each in state["alarms"]]
        self._count = state["count"]
        self._watched = dict(state["watched"])

    def _watched_now(self, situation: Situation) -> list[str]:
        if not self._watched:
            return []
        eligible = zip(situation.arms, situation.eligible.tolist(), strict=True)
        return [arm for arm, is_in in eligible if is_in and arm in self._watched]


class _Stream:
    """The residuals of one arm and objective, and detectors that are a function of them.

    The state of a river detector is not portable, so the stream stores the rounded residuals passed to the
    detectors and rebuilds them from these. Whenever the window is full, detectors restart with its newer half.

    The model pools noise over arms, and the noise of one arm may be far smaller or larger. So residuals are scaled
    again by the usual residual of this stream.
    """

    __slots__ = ("_detectors", "_factories", "_grace", "_seen", "_squares", "_unconfirmed", "_values", "_window")

    def __init__(self, factories: Sequence[Detector], grace: int, window: int) -> None:
        self._factories, self._grace, self._window = factories, grace, window
        self._seen, self._squares, self._unconfirmed = 0, 0.0, 0
        self._begin([])

    def alarmed_by(self, residual: float) -> bool:
        """Add a residual, return whether it raises an alarm; outliers are clipped to three deviations."""
        usual = math.sqrt((_PRIOR_ROWS + self._squares) / (_PRIOR_ROWS + self._seen))
        clipped = min(max(residual / usual, -_CLIP), _CLIP)
        self._seen += 1
        self._squares += (clipped * usual) ** 2
        if self._seen <= self._grace:
            return False
        if len(self._values) == self._window:
            self._begin(self._values[-(self._window // 2) :])
        value = round(clipped / _UNIT)
        self._values.append(value)
        if self._detected(value):
            self._unconfirmed = RECENT
        elif self._unconfirmed:
            self._unconfirmed -= 1
        return self._unconfirmed > 0 and self._is_worse()

    def recent(self) -> float:
        """Return the mean of the last residuals."""
        last = self._values[-RECENT:]
        return sum(last) * _UNIT / len(last)

    def _is_worse(self) -> bool:
        """Return whether the last residuals are farther from 0 than the earlier ones; learning moves them to 0."""
        before = self._values[:-RECENT]
        earlier = sum(before) * _UNIT / len(before) if before else 0.0
        return abs(self.recent()) >= abs(earlier) + _LEAST_EFFECT

    def state(self) -> tuple[int, float, int, str]:
        """Return count, sum of squares, remaining values to confirm an alarm, and the residuals."""
        values = base64.b64encode(np.array(self._values, dtype="<i2").tobytes()).decode()
        return self._seen, self._squares, self._unconfirmed, values

    def restore(self, seen: int, squares: float, unconfirmed: int, values: str) -> None:
        """Continue from the result of :meth:`state`."""
        self._seen, self._squares, self._unconfirmed = seen, squares, unconfirmed
        self._begin(np.frombuffer(base64.b64decode(values), "<i2").tolist())

    def _begin(self, values: list[int]) -> None:
        self._values = values
        self._detectors = [make() for make in self._factories]
        for value in values:
            self._detected(value)

    def _detected(self, value: int) -> bool:
        for detector in self._detectors:
            detector.update(value * _UNIT)
        return any(detector.drift_detected for detector in self._detectors)
