"""A floor under the quality, as a share of what a baseline would have reached."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from banditroute.arrays import BoolArray, FloatArray
from banditroute.controllers.base import Choice, Predict
from banditroute.controllers.checks import require_above_zero, require_inside, require_name, require_number
from banditroute.controllers.memory import Memory
from banditroute.learning.confidence import boundary
from banditroute.records import DecisionRecord, FeedbackRecord, Situation

LOOK_AGAIN = 8


class QualityFloor:
    """Lets an arm be tried only where, even if it fails, the quality so far stays above a share of a baseline's.

    After every request, with confidence, Σ μ(served) ≥ ``at_least`` · Σ μ(baseline), both summed over all requests so
    far. What the baseline yields beyond its share is saved up, and trials are paid from it: an arm is eligible for a
    request if the savings would cover its lower bound there. Where none is left but the baseline the decision is
    marked ``"held"``.

    What was served instead of the baseline counts with what was reported, less the boundary of
    :func:`~banditroute.learning.confidence.boundary` (no model is trusted with it); while that is awaited, with
    the lower bound of what was believed. What the baseline would have yielded there is the upper bound of what is
    believed of it at the average of those contexts (a linear model is trusted with that). If the baseline's mean
    is ``known`` instead, all requests together are held against it, which asks for no model, but for more savings:
    they have to cover the chance of which requests came.

    Requests for which the baseline is not eligible are left alone, and out of the sums.

    Args:
        baseline: The arm to be compared with.
        at_least: Share of its quality. (0, 1)
        known: Its mean quality, in the objective's own unit, if that is known. > 0
        objective: What counts as quality; to be maximised, with bounds ≥ 0.
        confidence: That the floor holds at all times, as far as chance in outcomes goes. (0, 1)
        widths: By how many widths a belief may be wrong. > 0
        name: Its name among a router's controllers.

    References:
        Kazerouni, Ghavamzadeh, Abbasi-Yadkori & Van Roy, "Conservative contextual linear bandits", NeurIPS 2017;
        Wu, Shariff, Lattimore & Szepesvári, "Conservative bandits", ICML 2016.
    """

    def __init__(
        self,
        baseline: str,
        *,
        at_least: float,
        known: float | None = None,
        objective: str = "quality",
        confidence: float = 0.95,
        widths: float = 2.0,
        name: str = "quality floor",
    ) -> None:
        self.baseline = require_name("baseline", baseline)
        self.at_least = require_inside("at_least", at_least)
        self.known = None if known is None else require_above_zero("known", require_number("known", known))
        self.objective = require_name("objective", objective)
        self.error = 1.0 - require_inside("confidence", confidence)
        self.widths = require_above_zero("widths", widths)
        self.name = require_name("name", name)
        self.restore(_NOTHING)

    @property
    def slack(self) -> float:
        """Savings: by how much the floor is surely exceeded so far, in the objective's unit times requests."""
        sure = self._awaited + self._surely_reported()
        if self.known is not None:
            return sure - self.at_least * self.known * self._requests
        return (1.0 - self.at_least) * self._saved + sure - self.at_least * self._forgone

    def control(self, situation: Situation, choice: Choice) -> FloatArray:
        """The choice among arms that the savings cover."""
        safe = self._safe(situation)
        if safe is None or (safe == situation.eligible).all():
            return choice(situation)
        if np.count_nonzero(safe) == 1:
            return safe.astype(np.float64)
        return choice(replace(situation, eligible=safe))

    def effects(self, situation: Situation) -> Mapping[str, Any]:
        """The savings, what is believed of every arm, and which are not covered."""
        safe = self._safe(situation)
        if safe is None:
            return {"slack": self.slack}
        low, mean, high = self._believed(situation)
        uncovered = situation.eligible & ~safe
        facts = {
            "slack": self.slack,
            "not_covered": [arm for arm, out in zip(situation.arms, uncovered.tolist(), strict=True) if out],
            "believed": {
                arm: [float(low[i]), float(mean[i]), float(high[i])] for i, arm in enumerate(situation.arms)
            },
            "column": situation.objectives.position(self.objective),
            "bounds": list(situation.objectives[situation.objectives.position(self.objective)].bounds),
        }
        held = uncovered.any() and np.count_nonzero(safe) == 1
        return {**facts, "mode": "held"} if held else facts

    def decided(self, record: DecisionRecord, predict: Predict) -> None:
        """Count the request with the worst that is believed of it."""
        facts = record.effects.get(self.name, {})
        believed = facts.get("believed", {})
        if record.arm not in believed or self.baseline not in believed:
            return
        self._column, self._bounds = facts["column"], facts["bounds"]
        is_baseline = record.arm == self.baseline
        low, mean, _ = believed[record.arm]
        if is_baseline and self.known is not None:
            low = self.known
        self._requests += 1
        if is_baseline and self.known is None:
            self._saved += low
        else:
            self._awaited += low
        self._memory.put(record.body, (is_baseline, low, mean, None, record.arm, ""))
        if not is_baseline and self.known is None:
            self._others += 1
            self._row = [
                total + x for total, x in zip(self._row or [0] * len(record.row), record.row.tolist(), strict=True)
            ]
            self._forgone += believed[self.baseline][2]
        if self._others and self.known is None and self._requests % LOOK_AGAIN == 0:
            self._forgone = self._others * self._baseline_at_most(record, predict)

    def learned(self, record: FeedbackRecord) -> None:
        """Put what was reported in the place of what was believed; what a stand-in served does not count."""
        note = self._memory.get(record.body)
        if note is None:
            return
        is_baseline, low, guess, before, arm, group = note
        value = record.outcomes.get(self.objective)
        if value is None and not (record.values is None and group == record.group):
            return
        if value is not None and record.arm != arm:
            return
        self._memory.put(
            record.body, (is_baseline, low, guess, value, arm, record.group if value is not None else "")
        )
        if is_baseline and self.known is None:
            self._saved += (low if value is None else value) - (low if before is None else before)
            return
        for sign, outcome in ((-1, before), (1, value)):
            if outcome is None:
                self._awaited += sign * low
            else:
                self._reports += sign
                self._total += sign * outcome
                self._variance = max(0.0, self._variance + sign * (outcome - guess) ** 2)

    def state(self) -> Mapping[str, Any]:
        """All sums, and what recent requests are counted with."""
        return {
            "requests": self._requests,
            "saved": self._saved,
            "awaited": self._awaited,
            "reports": self._reports,
            "total": self._total,
            "variance": self._variance,
            "others": self._others,
            "forgone": self._forgone,
            "row": list(self._row),
            "column": self._column,
            "bounds": list(self._bounds),
            "recent": self._memory.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from what :meth:`state` gave."""
        self._requests: int = state["requests"]
        self._saved: float = state["saved"]
        self._awaited: float = state["awaited"]
        self._reports: int = state["reports"]
        self._total: float = state["total"]
        self._variance: float = state["variance"]
        self._others: int = state["others"]
        self._forgone: float = state["forgone"]
        self._row: list[int] = list(state["row"])
        self._column: int = state["column"]
        self._bounds: list[float] = list(state["bounds"])
        self._memory: Memory[_Note] = Memory()
        self._memory.restore(state["recent"])

    def _surely_reported(self) -> float:
        """Lower bound of the sum of the means of what was reported: nothing lies below its bound."""
        lowest, highest = self._bounds
        stray = boundary(self._variance, scale=highest - lowest, error=self.error)
        return max(self._reports * lowest, self._total - stray)

    def _safe(self, situation: Situation) -> BoolArray | None:
        """Arms that the savings cover; None where the floor does not apply."""
        if self.baseline not in situation.arms or self.objective not in situation.objectives.names:
            return None
        place = situation.arms.index(self.baseline)
        if not situation.eligible[place]:
            return None
        low, _, high = self._believed(situation)
        owed = self.at_least * (high[place] if self.known is None else self.known)
        safe: BoolArray = situation.eligible & (self.slack + low - owed >= 0.0)
        safe[place] = True
        return safe

    def _believed(self, situation: Situation) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Lower bound, mean and upper bound of every arm, in the objective's unit; each of shape (arms,)."""
        position = situation.objectives.position(self.objective)
        objective = situation.objectives[position]
        lowest, highest = objective.bounds
        mean = lowest + objective.span * situation.mean[:, position]
        reach = self.widths * objective.span * situation.width[:, position]
        return (
            np.clip(mean - reach, lowest, highest),
            np.clip(mean, lowest, highest),
            np.clip(mean + reach, lowest, highest),
        )

    def _baseline_at_most(self, record: DecisionRecord, predict: Predict) -> float:
        """Upper bound of the baseline's mean over the contexts where it was not served."""
        row = np.rint(np.array(self._row, dtype=np.float64) / self._others).astype(np.int32)
        mean, width = predict(row)
        place, (lowest, highest) = record.arms.index(self.baseline), self._bounds
        most = mean[place, self._column] + self.widths * width[place, self._column]
        return float(np.clip(lowest + (highest - lowest) * most, lowest, highest))


_Note = tuple[bool, float, float, float | None, str, str]
"""Is it the baseline, what it counts with, what was guessed, what was reported, the arm and the group of that."""

_NOTHING: Mapping[str, Any] = {
    "requests": 0,
    "saved": 0.0,
    "awaited": 0.0,
    "reports": 0,
    "total": 0.0,
    "variance": 0.0,
    "others": 0,
    "forgone": 0.0,
    "row": [],
    "column": 0,
    "bounds": [0.0, 1.0],
    "recent": [],
}
