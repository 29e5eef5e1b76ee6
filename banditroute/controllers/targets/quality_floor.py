"""Keeps quality above a share of the quality of a baseline."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from banditroute.controllers.base import Choice, Predict
from banditroute.controllers.targets.savings import QualityBudget
from banditroute.core.arrays import BoolArray, FloatArray
from banditroute.core.log import DecisionRecord, FeedbackRecord
from banditroute.core.situation import Situation
from banditroute.core.validation import require_name, require_number

LOOK_AGAIN = 8


class QualityFloor:
    """Allows an arm only if, even when it fails, total quality stays above a share of the baseline's total.

    At all times, with confidence, Σ served ≥ ``at_least`` · Σ baseline over all requests so far, both in
    expectation and as realised. The quality above this floor is the budget for trials: an arm is eligible for a
    request if the budget covers its failure there. If only the baseline is left, the decision has the mode
    ``"held"``.

    A served request counts at its reported outcome, minus a bound of the chance in the reports, so it does not
    depend on the model; before its report, it counts at the lower bound of its prediction. The baseline's yield
    for requests that other arms served is the upper bound of its prediction, which relies on the linear model. If
    ``baseline_mean`` is given, all requests are compared with this mean instead. That needs no model, but a larger
    budget, which must cover the random variation of requests.

    Requests for which the baseline is not eligible are not constrained and not counted.

    Args:
        baseline: The arm to compare with.
        at_least: Share of the baseline's quality that must be reached. (0, 1)
        baseline_mean: Mean quality of the baseline in the objective's own unit, if it is known. > 0
        objective: The objective that measures quality; maximised, with bounds ≥ 0.
        confidence: Confidence that the floor holds at all times, given random reports. (0, 1)
        widths: Number of widths between a prediction and its bounds. > 0
        name: Name of this controller, unique in the router.

    References:
        Kazerouni, Ghavamzadeh, Abbasi-Yadkori & Van Roy, "Conservative contextual linear bandits", NeurIPS 2017;
        Wu, Shariff, Lattimore & Szepesvári, "Conservative bandits", ICML 2016. They bound the served quality by
        the model too.
    """

    def __init__(
        self,
        baseline: str,
        *,
        at_least: float,
        baseline_mean: float | None = None,
        objective: str = "quality",
        confidence: float = 0.95,
        widths: float = 2.0,
        name: str = "quality floor",
    ) -> None:
        self.baseline = require_name("baseline", baseline)
        self.objective = require_name("objective", objective)
        self.widths = require_number("widths", widths, above=0)
        self.name = require_name("name", name)
        if baseline_mean is not None:
            baseline_mean = require_number("baseline_mean", baseline_mean, above=0)
        self.savings = QualityBudget(
            at_least=require_number("at_least", at_least, above=0, below=1),
            baseline_mean=baseline_mean,
            error=1.0 - require_number("confidence", confidence, above=0, below=1),
        )

    @property
    def slack(self) -> float:
        """Lower bound of the total quality above the floor, in the objective's unit times requests."""
        return min(self.savings.expected, self.savings.realised)

    def control(self, situation: Situation, choice: Choice) -> FloatArray:
        """Return the choice among the arms that the quality budget covers."""
        safe = self._safe(situation)
        if safe is None or (safe == situation.eligible).all():
            return choice(situation)
        if np.count_nonzero(safe) == 1:
            return safe.astype(np.float64)
        return choice(situation.narrowed(safe))

    def effects(self, situation: Situation) -> Mapping[str, Any]:
        """Return the slack, the arms not covered, and lower bound, mean and upper bound of every arm."""
        safe = self._safe(situation)
        if safe is None:
            return {"slack": self.slack}
        bounds = np.column_stack(self._prediction_bounds(situation)).tolist()
        column = self._column(situation)
        not_covered = [situation.arms[i] for i in np.flatnonzero(situation.eligible & ~safe)]
        facts = {
            "slack": self.slack,
            "not_covered": not_covered,
            "believed": dict(zip(situation.arms, bounds, strict=True)),
            "column": column,
            "bounds": list(situation.objectives[column].bounds),
        }
        held = not_covered and np.count_nonzero(safe) == 1
        return {**facts, "mode": "held"} if held else facts

    def decided(self, record: DecisionRecord, predict: Predict) -> None:
        """Count the request at the lower bound of its prediction; a fallback, without one, does not count."""
        facts = record.effects.get(self.name, {})
        if "believed" not in facts:
            return
        savings, sums = self.savings, self.savings.sums
        sums.column, sums.bounds = facts["column"], facts["bounds"]
        low, guess, _ = facts["believed"][record.arm]
        is_baseline = record.arm == self.baseline
        savings.take(record.decision_key, record.arm, record.row, is_baseline=is_baseline, low=low, guess=guess)
        if not is_baseline:
            sums.forgone += facts["believed"][self.baseline][2]
        if sums.served_by_others and sums.requests % LOOK_AGAIN == 0:
            sums.forgone = sums.served_by_others * self._baseline_at_most(record, predict)

    def learned(self, record: FeedbackRecord) -> None:
        """Count a reported outcome."""
        if self.objective in record.outcomes or record.values is None:
            value = record.outcomes.get(self.objective)
            self.savings.report(record.decision_key, record.arm, record.group, value)

    def state(self) -> Mapping[str, Any]:
        """Return the quality budget."""
        return self.savings.state()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from the result of :meth:`state`."""
        self.savings.restore(state)

    def _safe(self, situation: Situation) -> BoolArray | None:
        """Return the arms that the budget covers, shape (arms,); None if the floor does not apply."""
        if self.baseline not in situation.arms or self.objective not in situation.objectives.names:
            return None
        index = situation.arms.index(self.baseline)
        if not situation.eligible[index]:
            return None
        low, _, high = self._prediction_bounds(situation)
        lowest, highest = situation.objectives[self._column(situation)].bounds
        savings = self.savings
        baseline = high[index] if savings.baseline_mean is None else savings.baseline_mean
        if savings.realised + lowest < savings.at_least * highest:
            safe = np.zeros(len(low), dtype=bool)
        else:
            safe = situation.eligible & (savings.expected + low >= savings.at_least * baseline)
        safe[index] = True
        return safe

    def _column(self, situation: Situation) -> int:
        return situation.objectives.position(self.objective)

    def _prediction_bounds(self, situation: Situation) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return lower bound, mean and upper bound of every arm in the objective's unit; each of shape (arms,)."""
        column = self._column(situation)
        objective = situation.objectives[column]
        mean = objective.bounds[0] + objective.span * situation.mean[:, column]
        reach = self.widths * objective.span * situation.width[:, column]
        low, middle, high = (np.clip(value, *objective.bounds) for value in (mean - reach, mean, mean + reach))
        return low, middle, high

    def _baseline_at_most(self, record: DecisionRecord, predict: Predict) -> float:
        """Return an upper bound of the baseline's mean at the average context of the requests of other arms."""
        mean, width = predict(self.savings.average_row()[np.newaxis])
        index, column = record.arms.index(self.baseline), self.savings.sums.column
        lowest, highest = self.savings.sums.bounds
        most = mean[0, index, column] + self.widths * width[0, index, column]
        return float(np.clip(lowest + (highest - lowest) * most, lowest, highest))
