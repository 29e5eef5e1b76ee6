"""Applies one controller per cohort."""

from collections.abc import Callable, Mapping
from typing import Any

from banditroute.controllers.base import Choice, Controller, Predict
from banditroute.controllers.pending import PendingOutcomes
from banditroute.core.arrays import FloatArray
from banditroute.core.log import DecisionRecord, FeedbackRecord
from banditroute.core.situation import Situation

MOST_COHORTS = 1000
NO_COHORT = ""


class PerCohort:
    """Keeps a constraint separately for every cohort, so that one cohort cannot compensate for another.

    An average over all traffic hides single cohorts: a latency target can be met although one customer always
    waits. ``PerCohort(lambda: Latency(p=0.95, seconds=2))`` keeps the target for every value of
    ``route(cohort=…)``; ``make`` may return any other controller too. Requests without a cohort form one cohort,
    together with the requests of all cohorts after the first 1,000.

    Args:
        make: Returns a new controller, always with the same settings.

    >>> from banditroute.controllers import Average
    >>> PerCohort(lambda: Average("quality", at_least=0.8)).name
    'quality average'
    """

    def __init__(self, make: Callable[[], Controller]) -> None:
        self._make = make
        self._new = make()
        self._of: dict[str, Controller] = {}
        self._memory: PendingOutcomes[tuple[str]] = PendingOutcomes()

    @property
    def name(self) -> str:
        """The name of the inner controllers."""
        return self._new.name

    def of(self, cohort: str | None) -> Controller:
        """Return the controller of a cohort, a new one for an unknown cohort; read-only."""
        return self._of.get(self._known(cohort), self._new)

    def control(self, situation: Situation, choice: Choice) -> FloatArray:
        """Apply the controller of the request's cohort."""
        return self.of(situation.request.cohort).control(situation, choice)

    def effects(self, situation: Situation) -> Mapping[str, Any]:
        """Return the effects of the controller of the request's cohort, and that cohort."""
        cohort = situation.request.cohort
        return {**self.of(cohort).effects(situation), "cohort": self._known(cohort)}

    def decided(self, record: DecisionRecord, predict: Predict) -> None:
        """Pass the decision to the controller of its cohort."""
        cohort = self._known(record.cohort)
        self._memory.put(record.decision_key, (cohort,))
        if cohort not in self._of:
            self._of[cohort] = self._make()
        self._of[cohort].decided(record, predict)

    def learned(self, record: FeedbackRecord) -> None:
        """Pass the feedback to the controller of its decision's cohort."""
        note = self._memory.get(record.decision_key)
        if note is not None:
            self._of[note[0]].learned(record)

    def state(self) -> Mapping[str, Any]:
        """Return the state of every cohort's controller, and the cohorts of recent decisions."""
        cohorts = {cohort: controller.state() for cohort, controller in self._of.items()}
        return {"cohorts": cohorts, "recent": self._memory.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from the result of :meth:`state`."""
        self._of = {}
        for cohort, stored in state["cohorts"].items():
            self._of[cohort] = self._make()
            self._of[cohort].restore(stored)
        self._memory.restore(state["recent"])

    def _known(self, cohort: str | None) -> str:
        if cohort is None or (cohort not in self._of and len(self._of) >= MOST_COHORTS):
            return NO_COHORT
        return cohort
