"""A lower bound on quality, as a share of the quality of a baseline."""

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
    """Lets an arm be tried only where, even if it fails, the quality so far stays above a share of a baseline's.

    At all times, with confidence, Σ served ≥ ``at_least`` · Σ baseline, over all requests so far: in expectation,
    and as it happens. What the baseline yields beyond its share is saved up, and trials are paid from it: an arm
    is eligible for a request if the savings would cover its failure there. Where none is left but the baseline,
    the decision is marked ``"held"``.

    What was served counts with what was reported, less what chance may have added to it, so that no model is
    trusted with it; until then, with the lower bound of what was believed. What the baseline would have yielded
    where others served is the upper bound of what is believed of it: with that the linear model is
    trusted. If the mean of the baseline is ``known``, all requests together are held against it instead. That
    asks for no model, but for more savings, which have to cover the chance of which requests came.

    Requests for which the baseline is not eligible are left alone, and out of the sums.

    Args:
        baseline: The arm to be compared with.
        at_least: Share of its quality. (0, 1)
        known: Its mean quality, in the objective's own unit, if that is known. > 0
        objective: What counts as quality; to be maximised, with bounds ≥ 0.
        confidence: That the floor holds at all times, as far as chance in what is reported goes. (0, 1)
        widths: By how many widths a belief may be wrong. > 0
        name: Its name among a router's controllers.

    References:
        Kazerouni, Ghavamzadeh, Abbasi-Yadkori & Van Roy, "Conservative contextual linear bandits", NeurIPS 2017;
        Wu, Shariff, Lattimore & Szepesvári, "Conservative bandits", ICML 2016. Theirs bound what was served by
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
        """By how much the floor is surely exceeded so far, in the objective's unit times requests."""
        return min(self.savings.expected, self.savings.realised)

    def control(self, situation: Situation, choice: Choice) -> FloatArray:
        """The choice among the arms that the savings cover."""
        safe = self._safe(situation)
        if safe is None or (safe == situation.eligible).all():
            return choice(situation)
        if np.count_nonzero(safe) == 1:
            return safe.astype(np.float64)
        return choice(situation.narrowed(safe))

    def effects(self, situation: Situation) -> Mapping[str, Any]:
        """The savings, the arms that they do not cover, and lower bound, mean and upper bound of every arm."""
        safe = self._safe(situation)
        if safe is None:
            return {"slack": self.slack}
        bounds = np.column_stack(self._predict_repriced(situation)).tolist()
        column = self._column(situation)
        left_out = [situation.arms[i] for i in np.flatnonzero(situation.eligible & ~safe)]
        facts = {
            "slack": self.slack,
            "not_covered": left_out,
            "believed": dict(zip(situation.arms, bounds, strict=True)),
            "column": column,
            "bounds": list(situation.objectives[column].bounds),
        }
        held = left_out and np.count_nonzero(safe) == 1
        return {**facts, "mode": "held"} if held else facts

    def decided(self, record: DecisionRecord, predict: Predict) -> None:
        """Count the request with the least that was believed of it; a fallback, of which nothing was, does not."""
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
        """Continue from what :meth:`state` gave."""
        self.savings.restore(state)

    def _safe(self, situation: Situation) -> BoolArray | None:
        """Arms that the savings cover, shape (arms,); None where the floor does not apply."""
        if self.baseline not in situation.arms or self.objective not in situation.objectives.names:
            return None
        index = situation.arms.index(self.baseline)
        if not situation.eligible[index]:
            return None
        low, _, high = self._predict_repriced(situation)
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

    def _predict_repriced(self, situation: Situation) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Lower bound, mean and upper bound of every arm, in the objective's unit; each of shape (arms,)."""
        column = self._column(situation)
        objective = situation.objectives[column]
        mean = objective.bounds[0] + objective.span * situation.mean[:, column]
        reach = self.widths * objective.span * situation.width[:, column]
        low, middle, high = (np.clip(value, *objective.bounds) for value in (mean - reach, mean, mean + reach))
        return low, middle, high

    def _baseline_at_most(self, record: DecisionRecord, predict: Predict) -> float:
        """Upper bound of the baseline's mean at the average of the contexts where it was not served."""
        mean, width = predict(self.savings.average_row()[np.newaxis])
        index, column = record.arms.index(self.baseline), self.savings.sums.column
        lowest, highest = self.savings.sums.bounds
        most = mean[0, index, column] + self.widths * width[0, index, column]
        return float(np.clip(lowest + (highest - lowest) * most, lowest, highest))
