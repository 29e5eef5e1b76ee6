"""Targets on how often an outcome crosses a line."""

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
    """Keeps an outcome on the right side of a line, in a share of all requests.

    How often an arm crosses the line is counted, arm by arm, over everything that was reported of it; few
    reports are drawn to what is common to all arms, as by four reports more.

    Args:
        objective: What is reported.
        at_most, at_least: The line, in the objective's own unit; one of the two.
        share: Of all requests that must keep to it. (0, 1)
        step, slack, name: As of :class:`~banditroute.controllers.targets.target.Target`.
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
        """1 where the outcome is beyond the line, else 0."""
        return float(outcome > self.line if self._above_is_bad else outcome < self.line)

    def expected(self, situation: Situation) -> FloatArray:
        """The chance of each arm to cross the line; shape (arms,)."""
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
        """Count for the target, and for the arm that served."""
        super().learned(record)
        if record.previous is None and self.objective in record.outcomes:
            reports, beyond = self._reports.get(record.arm, (0, 0))
            crossed = int(self.used(record.outcomes[self.objective]))
            self._reports[record.arm] = (reports + 1, beyond + crossed)

    def state(self) -> Mapping[str, Any]:
        """The target's, and the counts of every arm."""
        return {**super().state(), "reports": {arm: list(counts) for arm, counts in self._reports.items()}}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from what :meth:`state` gave."""
        super().restore(state)
        self._reports = {arm: (reports, beyond) for arm, (reports, beyond) in state["reports"].items()}


class Latency(Within):
    """A latency target: ``Latency(p=0.95, seconds=2)`` holds the 95th percentile of all requests at 2 s.

    Args:
        p: Share of all requests that must be answered in time. (0, 1)
        seconds: The time that an answer may take. [s]
        objective: Under which latencies are reported [s].
        step, slack, name: As of :class:`Within`.
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
