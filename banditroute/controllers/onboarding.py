"""Onboarding: gives a new arm a share of the traffic until its outcomes are known well enough."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from banditroute.controllers.base import Choice, DiscountRequest, OutcomePrediction, Predict
from banditroute.core.arrays import OUTCOME_UNIT, BoolArray, FloatArray
from banditroute.core.log import DecisionRecord, FeedbackRecord
from banditroute.core.situation import Situation
from banditroute.core.validation import require_integer, require_number
from banditroute.policies.exploration import mix_uniform

Gate: TypeAlias = Callable[[Situation], BoolArray]
"""Situation → whether each arm may be forced now, shape (arms,); a pure function."""

MOST_FORCED = 0.5


def mixture_bound(n: int, *, confidence: float, tuned_for: float) -> float:
    """Return a bound of Σ zᵢ that holds for all n at once, for zᵢ with mean ≤ 0 and sub-Gaussian variance 1.

    Robbins' normal mixture, one-sided: √((n + ρ) 2 ln(1 + √((n + ρ)/ρ) / 2α)) with α = 1 − confidence. ρ makes
    the bound nearly as narrow as possible at n = ``tuned_for``.

    References:
        Howard, Ramdas, McAuliffe & Sekhon, "Time-uniform, nonparametric, nonasymptotic confidence sequences",
        Annals of Statistics 49(2), 2021, section 3.2.

    >>> round(mixture_bound(20, confidence=0.95, tuned_for=20), 2)
    12.43
    """
    log = -2 * math.log(1 - confidence)
    rho = tuned_for / (log + math.log(log + 1))
    ratio = math.sqrt((n + rho) / rho)
    return math.sqrt((n + rho) * 2 * math.log(1 + ratio / (2 * (1 - confidence))))


@dataclass(frozen=True, slots=True)
class _Newcomer:
    """The results of one new arm.

    Attributes:
        pulls: Number of decisions for it.
        compared: Number of these decisions with known outcomes.
        total: Sum of the gains over the best other arm, in standard deviations.
        ruled_out: Whether the arm is worse, with confidence.
    """

    pulls: int = 0
    compared: int = 0
    total: float = 0.0
    ruled_out: bool = False


class Onboarding:
    """Forces a new arm into a share of the traffic, spread over many requests; stops early if the arm is worse.

    An arm is new if it is added after the router's first decision. Optimism alone may leave it untried where
    widths are small. So about ``pulls`` of the next ``over`` requests are sent to it (mixed into the
    probabilities, so the logged propensities stay exact). This stops early if a confidence sequence shows that the
    arm is worse than the others: each of its outcomes is compared with the prediction of the best other arm for
    the same request, in utility by that request's preferences. An arm that is ruled out is worse on average; the
    policy may still choose it for requests where its upper bound is high.

    Args:
        pulls: Number of forced requests for each new arm. ≥ 1
        over: Number of requests over which they are spread. ≥ pulls
        confidence: Confidence with which an arm that is ruled out is worse. (0, 1)
        gate: Returns which arms may be forced into a request, for instance when the budget is low; by default all.

    References:
        ParetoBandit, arXiv 2604.00136: 20 forced pulls.
    """

    name = "onboarding"

    def __init__(
        self, *, pulls: int = 20, over: int = 200, confidence: float = 0.95, gate: Gate | None = None
    ) -> None:
        self.pulls = require_integer("pulls", pulls, least=1)
        self.over = require_integer("over", over, least=self.pulls)
        self.confidence = require_number("confidence", confidence, above=0, below=1)
        self.gate = gate
        self._known: tuple[str, ...] = ()
        self._newcomers: dict[str, _Newcomer] = {}
        self._awaited: dict[str, _Awaited] = {}

    def control(self, situation: Situation, choice: Choice) -> FloatArray:
        """Return the choice, mixed with a share for new arms."""
        mask = self._forced(situation)
        share = self._share(mask)
        return mix_uniform(choice(situation), share, mask) if share else choice(situation)

    def effects(self, situation: Situation) -> Mapping[str, Any]:
        """Return the forced arms with their share, and the arms that are ruled out."""
        mask = self._forced(situation)
        forced = [arm for arm, is_in in zip(situation.arms, mask.tolist(), strict=True) if is_in]
        return {"forced": forced, "share": self._share(mask), "ruled_out": self._ruled_out()}

    def decided(self, record: DecisionRecord, predict: Predict) -> None:
        """Register new arms, count their pulls, and store the prediction that their outcome is compared with."""
        if self._known:
            self._newcomers |= {arm: _Newcomer() for arm in record.arms if arm not in self._known}
        if len(record.arms) > len(self._known):
            self._known = record.arms
        newcomer = self._newcomers.get(record.arm)
        if newcomer is None or self._is_over(newcomer):
            return
        self._newcomers[record.arm] = replace(newcomer, pulls=newcomer.pulls + 1)
        if (awaited := _Awaited.of(record)) is not None:
            self._awaited[record.decision_key.hex()] = awaited

    def observe(self, record: FeedbackRecord, outlook: OutcomePrediction) -> Sequence[DiscountRequest]:
        """Compare the outcome of a new arm with the prediction of the best other arm."""
        decision_key = record.decision_key.hex()
        awaited = self._awaited.get(decision_key)
        if awaited is None:
            return ()
        if record.arm != awaited.arm:
            del self._awaited[decision_key]
            return ()
        awaited = awaited.with_part(record, outlook)
        if awaited.remaining:
            self._awaited[decision_key] = awaited
            return ()
        del self._awaited[decision_key]
        newcomer = self._newcomers[record.arm]
        compared, total = newcomer.compared + 1, newcomer.total + awaited.gain / awaited.deviation
        bound = mixture_bound(compared, confidence=self.confidence, tuned_for=self.pulls)
        ruled_out = newcomer.ruled_out or total < -bound
        self._newcomers[record.arm] = replace(newcomer, compared=compared, total=total, ruled_out=ruled_out)
        if ruled_out:
            self._awaited = {key: each for key, each in self._awaited.items() if each.arm != record.arm}
        return ()

    def learned(self, record: FeedbackRecord) -> None:
        """Do nothing: :meth:`observe` has processed the outcome."""

    def report(self) -> Mapping[str, Any]:
        """Return pulls, comparisons, mean gain in standard deviations and rule-out of each new arm."""
        return {arm: asdict(newcomer) for arm, newcomer in self._newcomers.items()}

    def state(self) -> Mapping[str, Any]:
        """Return the known arms, the new ones, and their pending comparisons."""
        return {
            "known": [*self._known],
            "newcomers": {arm: asdict(newcomer) for arm, newcomer in self._newcomers.items()},
            "awaited": {key: awaited.state() for key, awaited in self._awaited.items()},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from the result of :meth:`state`."""
        self._known = tuple(state["known"])
        self._newcomers = {arm: _Newcomer(**facts) for arm, facts in state["newcomers"].items()}
        self._awaited = {key: _Awaited.restored(facts) for key, facts in state["awaited"].items()}

    def _is_over(self, newcomer: _Newcomer) -> bool:
        return newcomer.ruled_out or newcomer.pulls >= self.pulls

    def _ruled_out(self) -> list[str]:
        return sorted(arm for arm, newcomer in self._newcomers.items() if newcomer.ruled_out)

    def _forced(self, situation: Situation) -> BoolArray:
        mask = np.zeros(len(situation.arms), dtype=bool)
        if not self._known:
            return mask
        for index, arm in enumerate(situation.arms):
            # An arm that is in no decision yet is new.
            newcomer = self._newcomers.get(arm) or (None if arm in self._known else _Newcomer())
            mask[index] = newcomer is not None and not self._is_over(newcomer)
        mask &= situation.eligible
        return mask & self.gate(situation) if self.gate is not None and mask.any() else mask

    def _share(self, mask: BoolArray) -> float:
        return min(int(np.count_nonzero(mask)) * self.pulls / self.over, MOST_FORCED)


@dataclass(frozen=True, slots=True)
class _Awaited:
    """A decision for a new arm whose outcomes are not all reported yet.

    Attributes:
        arm: The new arm.
        gain: Utility minus the predicted utility of the best other arm, over the objectives reported so far.
        deviation: Standard deviation of the gain, for fully correlated objectives.
        remaining: Position of an objective → (its weight, predicted mean of the best other arm).
    """

    arm: str
    gain: float
    deviation: float
    remaining: Mapping[int, tuple[float, float]]

    @classmethod
    def of(cls, record: DecisionRecord) -> "_Awaited | None":
        if not record.mean.size:
            return None
        utility = record.mean @ record.weights
        index = record.arms.index(record.arm)
        others = [i for i, arm in enumerate(record.arms) if i != index and arm not in record.excluded]
        if not others:
            return None
        best = record.mean[max(others, key=lambda i: float(utility[i]))]
        weighed = np.flatnonzero(record.weights).tolist()
        return cls(record.arm, 0.0, 0.0, {j: (float(record.weights[j]), float(best[j])) for j in weighed})

    def with_part(self, record: FeedbackRecord, outlook: OutcomePrediction) -> "_Awaited":
        assert record.values is not None
        gain, deviation, remaining = self.gain, self.deviation, dict(self.remaining)
        reported = zip(outlook.positions, record.values, outlook.deviation.tolist(), strict=True)
        for position, value, spread in reported:
            weight, best = remaining.pop(position, (0.0, 0.0))
            gain += weight * (value * OUTCOME_UNIT - best)
            deviation += abs(weight) * spread
        return _Awaited(self.arm, gain, deviation, remaining)

    def state(self) -> list[Any]:
        rest = [[position, *facts] for position, facts in self.remaining.items()]
        return [self.arm, self.gain, self.deviation, rest]

    @classmethod
    def restored(cls, facts: Sequence[Any]) -> "_Awaited":
        arm, gain, deviation, rest = facts
        return cls(arm, gain, deviation, {position: (weight, best) for position, weight, best in rest})
