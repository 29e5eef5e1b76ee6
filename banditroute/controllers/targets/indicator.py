"""Targets on the share of requests whose outcome exceeds a limit."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from banditroute.controllers.targets.target import SLACK, STEP, Target, one_line
from banditroute.core.arrays import FloatArray
from banditroute.core.log import FeedbackRecord
from banditroute.core.situation import Situation
from banditroute.core.validation import require_number

PRIOR_REPORTS = 4.0


class Within(Target):
    """Keeps an outcome within a limit, in a share of all requests.

    The chance of an arm to miss the limit is estimated from all its reports, shrunk to the chance over all arms
    with the weight of four reports.

    Args:
        objective: Name of the reported objective.
        at_most, at_least: The limit, in the objective's own unit; give one of the two.
        share: Share of all requests that must be within the limit. (0, 1)
        step, slack, name: See :class:`~banditroute.controllers.targets.target.Target`.
    """

    def __init__(
        self,
        objective: str,
        *,
        share: float,
        at_most: float | None = None,
        at_least: float | None = None,
        step: float = STEP,
        slack: float = SLACK,
        name: str | None = None,
    ) -> None:
        self.line, self._above_is_bad = one_line(at_most, at_least)
        allowed = 1.0 - require_number("share", share, above=0, below=1)
        super().__init__(
            objective,
            allowed=allowed,
            step=step,
            slack=slack,
            name=f"{objective} within" if name is None else name,
        )
        self._reports: dict[str, tuple[int, int]] = {}

    def used(self, outcome: float) -> float:
        """Return 1 if the outcome is outside the limit, else 0."""
        return float(outcome > self.line if self._above_is_bad else outcome < self.line)

    def expected(self, situation: Situation) -> FloatArray:
        """Return the chance of each arm to miss the limit; shape (arms,)."""
        reports = sum(n for n, _ in self._reports.values())
        beyond = sum(k for _, k in self._reports.values())
        common = (beyond + PRIOR_REPORTS * self.allowed) / (reports + PRIOR_REPORTS)
        counts = [self._reports.get(arm, (0, 0)) for arm in situation.arms]
        return np.array([(k + PRIOR_REPORTS * common) / (n + PRIOR_REPORTS) for n, k in counts])

    def optimistic(self, situation: Situation) -> FloatArray:
        """Return the chance less √(chance · (1 − chance) / (reports + 4)), its deviation; shape (arms,)."""
        chance = self.expected(situation)
        reports = np.array([self._reports.get(arm, (0, 0))[0] for arm in situation.arms])
        spread = np.sqrt(chance * (1.0 - chance) / (reports + PRIOR_REPORTS))
        least: FloatArray = np.maximum(chance - spread, 0.0)
        return least

    def learned(self, record: FeedbackRecord) -> None:
        """Update the target, and the counts of the arm that served."""
        super().learned(record)
        if record.previous is None and self.objective in record.outcomes:
            reports, beyond = self._reports.get(record.arm, (0, 0))
            crossed = int(self.used(record.outcomes[self.objective]))
            self._reports[record.arm] = (reports + 1, beyond + crossed)

    def state(self) -> Mapping[str, Any]:
        """Return the state of the target, and the counts of every arm."""
        return {**super().state(), "reports": {arm: list(counts) for arm, counts in self._reports.items()}}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from the result of :meth:`state`."""
        super().restore(state)
        self._reports = {arm: (reports, beyond) for arm, (reports, beyond) in state["reports"].items()}


class Latency(Within):
    """A latency target: ``Latency(p=0.95, seconds=2)`` holds the 95th percentile of all requests at 2 s.

    Args:
        p: Share of all requests that must be answered in time. (0, 1)
        seconds: Largest time of an answer. [s]
        objective: Name of the objective under which latencies are reported [s].
        step, slack, name: See :class:`Within`.
    """

    def __init__(
        self,
        *,
        p: float,
        seconds: float,
        objective: str = "latency_s",
        step: float = STEP,
        slack: float = SLACK,
        name: str = "latency",
    ) -> None:
        share = require_number("p", p, above=0, below=1)
        super().__init__(
            objective,
            at_most=require_number("seconds", seconds),
            share=share,
            step=step,
            slack=slack,
            name=name,
        )
