"""The result of a replay: the measures of every policy and of the baselines that it has to beat."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeAlias

import numpy as np

from banditroute.core.arrays import BoolArray, FloatArray, IntArray
from banditroute.core.objectives import Objectives, Preferences
from banditroute.errors import InvalidArgumentError
from banditroute.evaluation.metrics.baselines import (
    best_static_mixture,
    mean_of_arms,
    oracle,
    oracle_arms,
    utilities,
)
from banditroute.evaluation.metrics.interval import Interval
from banditroute.evaluation.workload.workload import Workload

Part: TypeAlias = Literal["all", "second half"]
ALL: Part = "all"
SECOND_HALF: Part = "second half"

QUALITY = "quality"
COST = "cost_usd"


@dataclass(frozen=True, slots=True)
class Baseline:
    """The measures of a choice that is made in hindsight.

    Attributes:
        name: Name of the baseline.
        note: Which arm or arms it takes.
        values: Measure → mean per request (``regret``: the sum).
    """

    name: str
    note: str
    values: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; unavailable ones are None."""
        finite = {name: value if math.isfinite(value) else None for name, value in self.values.items()}
        return {"note": self.note, **finite}


@dataclass(frozen=True, slots=True)
class MixtureGap:
    """Difference of a policy and the best static mixture at its own cost, per seed; above 0 the policy is better.

    Attributes:
        quality: Mean quality of the policy minus that of the mixture, paired over seeds.
        utility: Mean utility of the policy minus that of the mixture, paired over seeds.
        shares: Arm → share of the traffic in the mixture, mean over seeds.
    """

    quality: Interval
    utility: Interval
    shares: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; unavailable ones are None."""
        return {"quality": self.quality.to_dict(), "utility": self.utility.to_dict(), "share": dict(self.shares)}


@dataclass(frozen=True, eq=False)
class Comparison:
    """The choices of several policies that were replayed over the same seeds, and their measures.

    The measures are ``utility`` and every metric of the workload, as means per request (dollars unclipped), and
    ``regret``, the utility of the per-query oracle minus that of the policy, summed over the stream. Requests with
    gaps, in which any metric of any arm was not recorded, are left out of all of them, so that policies, arms and
    the oracle are measured on the same requests. They are routed and learned all the same.
    Intervals are :class:`~banditroute.evaluation.Interval` over seeds.
    :func:`~banditroute.evaluation.comparison_table` prints a comparison,
    :func:`~banditroute.evaluation.overview_plot` draws it.

    Attributes:
        workload: The workload that was replayed.
        objectives: The objectives, with the units of utility.
        preferences: Objective → weight.
        policies: Names of the policies; differences are relative to the first.
        seeds: The seeds, one run per policy and seed.
        rows: Row of the workload of each request, shape (seeds, requests).
        chosen: Position of the chosen arm, shape (policies, seeds, requests).
        propensity: Probability with which that arm was chosen, same shape as ``chosen``.
    """

    workload: Workload
    objectives: Objectives = field(repr=False)
    preferences: Preferences
    policies: tuple[str, ...]
    seeds: tuple[int, ...]
    rows: IntArray = field(repr=False)
    chosen: IntArray = field(repr=False)
    propensity: FloatArray = field(repr=False)

    @property
    def arms(self) -> tuple[str, ...]:
        """Names of the arms."""
        return self.workload.arms

    @property
    def measures(self) -> tuple[str, ...]:
        """Names of all measures: utility, regret, and the metrics of the workload."""
        return ("utility", "regret", *self.workload.outcomes)

    def interval(self, measure: str, policy: str) -> Interval:
        """Return the mean of a measure over seeds, with its interval."""
        return Interval.of(self.values(measure, policy))

    def difference(self, measure: str, policy: str, other: str | None = None) -> Interval:
        """Return the paired difference of two policies, ``policy`` minus ``other`` (by default the first)."""
        return Interval.of(self.values(measure, policy) - self.values(measure, other or self.policies[0]))

    def values(self, measure: str, policy: str, *, part: Part = "all") -> FloatArray:
        """Return a measure for each seed, shape (seeds,); NaN where none of its cells was recorded."""
        cells = self._outcomes(measure, policy, part)
        if measure == "regret":
            total: FloatArray = np.where(np.isnan(cells).all(axis=1), np.nan, np.nansum(cells, axis=1))
            return total
        return mean_of_arms(cells.T)

    def share(self, policy: str) -> Mapping[str, float]:
        """Return arm → share of the traffic, over all seeds."""
        counts = np.bincount(self.chosen[self._position(policy)].ravel(), minlength=len(self.arms))
        return dict(zip(self.arms, (counts / counts.sum()).tolist(), strict=True))

    def regret_curve(self, policy: str) -> FloatArray:
        """Return the cumulative regret after each request, shape (seeds, requests)."""
        return np.nancumsum(self._outcomes("regret", policy, "all"), axis=1)

    def against_mixture(self, policy: str, *, part: Part = "all") -> MixtureGap | None:
        """Compare a policy with the best static mixture at the same cost.

        The mixture is computed from the means of the arms over the same requests on which it is judged. A policy
        that loses to it on the second half of a stream has learned nothing useful from its features.

        Returns:
            The difference, or None if the workload has no quality or no cost, or if the policy was cheaper than
            the cheapest arm.
        """
        if not {QUALITY, COST} <= self.workload.outcomes.keys():
            return None
        quality, utility, shares = [], [], []
        for i, spent in enumerate(self.values(COST, policy, part=part)):
            rows = self._rows(part)[i]
            means = mean_of_arms(self.outcomes[QUALITY][rows])
            cost = mean_of_arms(self.outcomes[COST][rows])
            mixture = best_static_mixture(means, cost, spent)
            if mixture is None:
                return None
            used = mixture > 0
            shares.append(mixture)
            quality.append(mixture[used] @ means[used])
            utility.append(mixture[used] @ mean_of_arms(self.utilities[rows])[used])
        return MixtureGap(
            quality=Interval.of(self.values(QUALITY, policy, part=part) - quality),
            utility=Interval.of(self.values("utility", policy, part=part) - utility),
            shares=dict(zip(self.arms, np.mean(shares, axis=0).tolist(), strict=True)),
        )

    @cached_property
    def is_complete(self) -> BoolArray:
        """Whether every metric of every arm was recorded, for each request of the workload; shape (requests,)."""
        gaps = [np.isnan(cells).any(axis=1) for cells in self.workload.outcomes.values()]
        complete: BoolArray = ~np.logical_or.reduce(gaps)
        return complete

    @cached_property
    def outcomes(self) -> Mapping[str, FloatArray]:
        """Metric → its cells, shape (requests, arms); NaN in requests with gaps."""
        complete = self.is_complete[:, np.newaxis]
        return {metric: np.where(complete, cells, np.nan) for metric, cells in self.workload.outcomes.items()}

    @cached_property
    def utilities(self) -> FloatArray:
        """Utility of every cell, shape (requests, arms); NaN in requests with gaps."""
        cells = utilities(self.workload, self.objectives, self.preferences)
        return np.where(self.is_complete[:, np.newaxis], cells, np.nan)

    @cached_property
    def baselines(self) -> tuple[Baseline, ...]:
        """The best single arm, the cheapest arm (if costs are known), uniform shares and the oracle.

        None of them if every request has gaps.
        """
        if not self.is_complete.any():
            return ()
        count = len(self.arms)
        means = mean_of_arms(self.utilities)
        best = int(np.nanargmax(means))
        result = [self._static("best single arm", self.arms[best], np.eye(count)[best])]
        if COST in self.workload.outcomes:
            cheapest = int(np.nanargmin(mean_of_arms(self.outcomes[COST])))
            result.append(self._static("cheapest arm", self.arms[cheapest], np.eye(count)[cheapest]))
        result.append(self._static("uniform", f"all {count} arms", np.full(count, 1 / count)))
        result.append(self._oracle())
        return tuple(result)

    def to_dict(self) -> dict[str, Any]:
        """Return every measure, difference and baseline as plain values for JSON; unavailable ones are None."""
        return {
            "workload": self.workload.name,
            "requests": len(self.workload),
            "complete": int(self.is_complete.sum()),
            "notes": list(self.workload.notes),
            "arms": list(self.arms),
            "seeds": list(self.seeds),
            "preferences": dict(self.preferences),
            "objectives": [
                {"name": each.name, "goal": each.goal, "bounds": list(each.bounds), "scale": each.scale}
                for each in self.objectives
            ],
            "policies": {name: self._policy_dict(name) for name in self.policies},
            "baselines": {baseline.name: baseline.to_dict() for baseline in self.baselines},
        }

    def _policy_dict(self, name: str) -> dict[str, Any]:
        result: dict[str, Any] = {measure: self.interval(measure, name).to_dict() for measure in self.measures}
        result["share"] = dict(self.share(name))
        result["difference"] = {measure: self.difference(measure, name).to_dict() for measure in self.measures}
        for key, part in (("against_mixture", ALL), ("against_mixture_second_half", SECOND_HALF)):
            gap = self.against_mixture(name, part=part)
            result[key] = None if gap is None else gap.to_dict()
        return result

    def _position(self, policy: str) -> int:
        if policy not in self.policies:
            raise InvalidArgumentError(f"no policy {policy!r} was replayed; there are: {', '.join(self.policies)}")
        return self.policies.index(policy)

    def _rows(self, part: Part) -> IntArray:
        return self.rows[:, self._start(part) :]

    def _start(self, part: Part) -> int:
        return len(self.workload) // 2 if part == "second half" else 0

    def _outcomes(self, measure: str, policy: str, part: Part) -> FloatArray:
        """Return the measure of each request, shape (seeds, requests)."""
        cells: FloatArray
        rows = self._rows(part)
        indices = (rows, self.chosen[self._position(policy)][:, self._start(part) :])
        if measure == "utility":
            cells = self.utilities[indices]
        elif measure == "regret":
            cells = self._best[rows] - self.utilities[indices]
        elif measure in self.workload.outcomes:
            cells = self.outcomes[measure][indices]
        else:
            raise InvalidArgumentError(f"unknown measure {measure!r}; there are: {', '.join(self.measures)}")
        return cells

    @cached_property
    def _best(self) -> FloatArray:
        return oracle(self.utilities)

    def _static(self, name: str, note: str, shares: FloatArray) -> Baseline:
        used = shares > 0
        return self._baseline(name, note, lambda cells: float(shares[used] @ mean_of_arms(cells)[used]))

    def _oracle(self) -> Baseline:
        arms = oracle_arms(self.utilities, self.outcomes.get(COST))
        indices = (np.arange(len(arms)), arms)
        return self._baseline(
            "oracle", "the best arm of each query", lambda cells: float(np.nanmean(cells[indices]))
        )

    def _baseline(self, name: str, note: str, mean: Callable[[FloatArray], float]) -> Baseline:
        utility = mean(self.utilities)
        answered = int(np.count_nonzero(~np.isnan(self._best)))
        regret = answered * (float(np.nanmean(self._best)) - utility)
        metrics = {metric: mean(cells) for metric, cells in self.outcomes.items()}
        return Baseline(name, note, {"utility": utility, "regret": regret, **metrics})
