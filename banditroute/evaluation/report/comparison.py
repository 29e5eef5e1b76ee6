"""The result of a replay: every policy beside the baselines."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from banditroute.core.arrays import FloatArray, IntArray
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

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Part: TypeAlias = Literal["all", "second half"]

QUALITY = "quality"
COST = "cost_usd"


@dataclass(frozen=True, slots=True)
class Baseline:
    """A choice made in hindsight, and its outcome.

    Attributes:
        name: Of the baseline.
        note: Which arm or arms it takes.
        values: Measure → mean a request (``regret``: the sum).
    """

    name: str
    note: str
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class MixtureGap:
    """A policy against the best static mixture at its own cost, of the same seed; above 0 the policy is better.

    Attributes:
        quality: Mean quality of the policy less that of the mixture, paired over seeds.
        utility: The same for utility.
        shares: Arm → share of the traffic in the mixture, mean over seeds.
    """

    quality: Interval
    utility: Interval
    shares: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Comparison:
    """Policies replayed over the same seeds.

    ``print`` shows a table. Measures are ``utility`` and every metric of the workload, as means a request
    (dollars unclipped), and ``regret``, the utility that the per-query oracle had more, summed over the stream.
    A cell that was not recorded is left out: of the means of the policy that chose it, and of the choices of
    the oracle. Intervals are :class:`~banditroute.evaluation.metrics.interval.Interval` over seeds.

    Attributes:
        workload: What was replayed.
        objectives: With the bounds that utility is scaled by.
        preferences: Their weights.
        policies: Names; differences are taken from the first.
        seeds: One run each.
        rows: Row of the workload that each request was, shape (seeds, requests).
        chosen: Position of the chosen arm, shape (policies, seeds, requests).
        propensity: With which probability, same shape.
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
        """The measures: utility, regret, and the metrics of the workload."""
        return ("utility", "regret", *self.workload.outcomes)

    def interval(self, measure: str, policy: str) -> Interval:
        """Mean and interval of a measure."""
        return Interval.of(self.values(measure, policy))

    def difference(self, measure: str, policy: str, other: str | None = None) -> Interval:
        """Paired difference of two policies, ``policy`` less ``other`` (by default the first)."""
        return Interval.of(self.values(measure, policy) - self.values(measure, other or self.policies[0]))

    def values(self, measure: str, policy: str, *, part: Part = "all") -> FloatArray:
        """A measure of each seed, shape (seeds,); NaN where not one of its cells was recorded."""
        cells = self._outcomes(measure, policy, part)
        if measure == "regret":
            total: FloatArray = np.nansum(cells, axis=1)
            return total
        return mean_of_arms(cells.T)

    def share(self, policy: str) -> Mapping[str, float]:
        """Arm → share of the traffic, over all seeds."""
        counts = np.bincount(self.chosen[self._position(policy)].ravel(), minlength=len(self.arms))
        return dict(zip(self.arms, (counts / counts.sum()).tolist(), strict=True))

    def regret_curve(self, policy: str) -> FloatArray:
        """Regret up to and with each request, shape (seeds, requests)."""
        return np.nancumsum(self._outcomes("regret", policy, "all"), axis=1)

    def against_mixture(self, policy: str, *, part: Part = "all") -> MixtureGap | None:
        """Compare a policy with the best static mixture at the same cost.

        The mixture knows the means of the arms over the very requests on which it is judged. A policy that
        loses to it on the second half of a stream has learned nothing from its features.

        Returns:
            None where the workload has no quality or no cost, or the policy was cheaper than the cheapest arm.
        """
        if not {QUALITY, COST} <= self.workload.outcomes.keys():
            return None
        quality, utility, shares = [], [], []
        for i, spent in enumerate(self.values(COST, policy, part=part)):
            rows = self._rows(part)[i]
            means = mean_of_arms(self.workload.outcomes[QUALITY][rows])
            cost = mean_of_arms(self.workload.outcomes[COST][rows])
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
    def utilities(self) -> FloatArray:
        """Utility of every cell of the workload, shape (requests, arms)."""
        return utilities(self.workload, self.objectives, self.preferences)

    @cached_property
    def baselines(self) -> tuple[Baseline, ...]:
        """The best single arm, the cheapest, uniform shares and the oracle; what is not available is left out."""
        count = len(self.arms)
        means = mean_of_arms(self.utilities)
        best = int(np.nanargmax(means))
        result = [self._static("best single arm", self.arms[best], np.eye(count)[best])]
        if COST in self.workload.outcomes:
            cheapest = int(np.nanargmin(mean_of_arms(self.workload.outcomes[COST])))
            result.append(self._static("cheapest arm", self.arms[cheapest], np.eye(count)[cheapest]))
        result.append(self._static("uniform", f"all {count} arms", np.full(count, 1 / count)))
        result.append(self._oracle())
        return tuple(result)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; what is not available is None."""
        from banditroute.evaluation.report.table import as_dict

        return as_dict(self)

    def to_frame(self, backend: Literal["pandas", "polars", "pyarrow"] = "pandas") -> Any:
        """One row for each policy and baseline, as a frame of the library named.

        Raises:
            MissingDependencyError: if that library or narwhals is not installed.
        """
        from banditroute.evaluation.report.table import to_frame

        return to_frame(self, backend)

    def plot(self) -> "Figure":
        """Draw regret over time, the cost-quality plane and the traffic shares.

        Raises:
            MissingDependencyError: if matplotlib is not installed.
        """
        from banditroute.evaluation.report.plots import overview

        return overview(self)

    def __str__(self) -> str:
        from banditroute.evaluation.report.table import as_text

        return as_text(self)

    def _repr_html_(self) -> str:
        from banditroute.evaluation.report.table import as_html

        return as_html(self)

    def _position(self, policy: str) -> int:
        if policy not in self.policies:
            raise InvalidArgumentError(f"no policy {policy!r} was replayed; there are: {', '.join(self.policies)}")
        return self.policies.index(policy)

    def _rows(self, part: Part) -> IntArray:
        return self.rows[:, self._start(part) :]

    def _start(self, part: Part) -> int:
        return len(self.workload) // 2 if part == "second half" else 0

    def _outcomes(self, measure: str, policy: str, part: Part) -> FloatArray:
        """Return the outcome of each request, shape (seeds, requests)."""
        cells: FloatArray
        rows = self._rows(part)
        places = (rows, self.chosen[self._position(policy)][:, self._start(part) :])
        if measure == "utility":
            cells = self.utilities[places]
        elif measure == "regret":
            cells = self._best[rows] - self.utilities[places]
        elif measure in self.workload.outcomes:
            cells = self.workload.outcomes[measure][places]
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
        arms = oracle_arms(self.utilities, self.workload.outcomes.get(COST))
        places = (np.arange(len(arms)), arms)
        return self._baseline(
            "oracle", "the best arm of each query", lambda cells: float(np.nanmean(cells[places]))
        )

    def _baseline(self, name: str, note: str, mean: Callable[[FloatArray], float]) -> Baseline:
        utility = mean(self.utilities)
        answered = int(np.count_nonzero(~np.isnan(self._best)))
        regret = answered * (float(np.nanmean(self._best)) - utility)
        metrics = {metric: mean(cells) for metric, cells in self.workload.outcomes.items()}
        return Baseline(name, note, {"utility": utility, "regret": regret, **metrics})
