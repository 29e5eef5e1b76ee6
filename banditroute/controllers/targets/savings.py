"""The quality budget of a quality floor: the surplus above the floor, which pays for trials."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from banditroute.controllers.pending import PendingOutcomes
from banditroute.core.arrays import RowArray
from banditroute.learning.confidence import stitched_boundary

Pending = tuple[str, float, float, float | None, str, str]
"""Side of its totals, lower bound that counts until the report, guess, report, arm, and group of the report."""

BASELINE, OTHERS = "baseline", "others"


@dataclass(slots=True)
class Totals:
    """Totals over the requests of one side.

    Attributes:
        reports, total, variance: Over reported requests: their number, the sum of their outcomes, and the sum of
            squared distances between outcomes and guesses.
        waiting, awaited: Over requests without a report: their number, and the sum of their lower bounds.
    """

    reports: int = 0
    total: float = 0.0
    variance: float = 0.0
    waiting: int = 0
    awaited: float = 0.0

    def count(self, sign: int, outcome: float | None, low: float, guess: float) -> None:
        """Add a request, or subtract it."""
        if outcome is None:
            self.waiting += sign
            self.awaited += sign * low
        else:
            self.reports += sign
            self.total += sign * outcome
            self.variance = max(0.0, self.variance + sign * (outcome - guess) ** 2)

    def expected_at_least(self, bounds: Sequence[float], error: float) -> float:
        """Return a lower bound of the sum of expected outcomes, at all times except with chance ``error``.

        With few reports, the lower bound of the objective is tighter than the confidence bound.
        """
        lowest, highest = bounds
        deviation = stitched_boundary(self.variance, scale=highest - lowest, error=error)
        return max(self.reports * lowest, self.total - deviation) + self.awaited

    def happens_at_least(self, bounds: Sequence[float], error: float) -> float:
        """Return a lower bound of the sum of realised outcomes; only those without a report are uncertain."""
        lowest, highest = bounds
        span = highest - lowest
        deviation = stitched_boundary(self.waiting * span**2 / 4.0, scale=span, error=error)
        return self.total + max(self.waiting * lowest, self.awaited - deviation)


def happens_at_most(requests: int, mean: float, bounds: Sequence[float], error: float) -> float:
    """Return an upper bound of the total outcome of requests with a mean, except with chance ``error``.

    It holds at all times. The variance of a request is at most (highest − mean) · (mean − lowest).
    """
    lowest, highest = bounds
    variance = requests * (highest - mean) * (mean - lowest)
    return min(
        requests * highest, requests * mean + stitched_boundary(variance, scale=highest - lowest, error=error)
    )


@dataclass(slots=True)
class Sums:
    """The quality budget of a floor, in units of the objective times requests.

    Attributes:
        requests: Number of requests.
        baseline, others: Totals of the requests served by the baseline, and by other arms.
        served_by_others: Number of requests served by other arms.
        forgone: Upper bound of the baseline's outcome for those requests.
        row: Sum of the contexts of those requests, on the grid.
        column, bounds: Position and bounds of the objective.
    """

    requests: int = 0
    baseline: Totals = field(default_factory=Totals)
    others: Totals = field(default_factory=Totals)
    served_by_others: int = 0
    forgone: float = 0.0
    row: list[int] = field(default_factory=list)
    column: int = 0
    bounds: list[float] = field(default_factory=lambda: [0.0, 1.0])


class QualityBudget:
    """Lower bounds of the total quality above the floor: in expectation, and as realised.

    In expectation the bound is (1 − s) L_b + L − s n m. Here s is the share that must be reached; L_b and L are
    lower bounds of the expected outcomes of the baseline's requests and of the n requests of other arms; m is an
    upper bound of the baseline's mean at the average context of these n requests. As realised the bound is (1 − s)
    Y_b + Y − s U, with lower bounds Y_b and Y of the realised outcomes, and the upper bound U of the realised
    outcome of n requests with mean m.

    If the mean m of the baseline is given, L and Y are over all n requests, and L_b = Y_b = 0.
    """

    def __init__(self, *, at_least: float, baseline_mean: float | None, error: float) -> None:
        self.at_least, self.baseline_mean, self.error = at_least, baseline_mean, error
        self.sums = Sums()
        self._memory: PendingOutcomes[Pending] = PendingOutcomes()

    @property
    def expected(self) -> float:
        """The bound in expectation, in the objective's unit times requests."""
        sums, error = self.sums, self.error / 4
        own = sums.baseline.expected_at_least(sums.bounds, error)
        others = sums.others.expected_at_least(sums.bounds, error)
        _, forgone = self._compared()
        return (1.0 - self.at_least) * own + others - self.at_least * forgone

    @property
    def realised(self) -> float:
        """The bound as realised, in the objective's unit times requests."""
        sums, error = self.sums, self.error / 4
        own = sums.baseline.happens_at_least(sums.bounds, error)
        others = sums.others.happens_at_least(sums.bounds, error)
        n, forgone = self._compared()
        most = happens_at_most(n, forgone / n, sums.bounds, error) if n else 0.0
        return (1.0 - self.at_least) * own + others - self.at_least * most

    def _compared(self) -> tuple[int, float]:
        """Return the number of requests compared with the baseline, and its highest expected outcome there."""
        if self.baseline_mean is not None:
            return self.sums.requests, self.baseline_mean * self.sums.requests
        return self.sums.served_by_others, self.sums.forgone

    def take(
        self, decision_key: bytes, arm: str, row: RowArray, *, is_baseline: bool, low: float, guess: float
    ) -> None:
        """Count a request at the lower bound of its prediction."""
        sums = self.sums
        sums.requests += 1
        side = BASELINE if is_baseline and self.baseline_mean is None else OTHERS
        if is_baseline and self.baseline_mean is not None:
            low = self.baseline_mean
        if not is_baseline:
            sums.served_by_others += 1
            before = sums.row or [0] * len(row)
            sums.row = [total + x for total, x in zip(before, row.tolist(), strict=True)]
        self._totals(side).count(1, None, low, guess)
        self._memory.put(decision_key, (side, low, guess, None, arm, ""))

    def report(self, decision_key: bytes, arm: str, group: str, value: float | None) -> None:
        """Replace the lower bound of a request by its report; restore it if ``value`` is None, after a retraction.

        A report for another arm than the chosen one does not count.
        """
        note = self._memory.get(decision_key)
        if note is None or (note[4] != arm if value is not None else note[5] != group):
            return
        side, low, guess, before, _, _ = note
        self._totals(side).count(-1, before, low, guess)
        self._totals(side).count(1, value, low, guess)
        self._memory.put(decision_key, (side, low, guess, value, arm, "" if value is None else group))

    def average_row(self) -> RowArray:
        """Return the average context of the requests served by other arms, on the grid; shape (d,)."""
        return np.rint(np.array(self.sums.row, dtype=np.float64) / self.sums.served_by_others).astype(np.int32)

    def state(self) -> Mapping[str, Any]:
        """Return all sums, and the notes of recent requests."""
        return {**asdict(self.sums), "recent": self._memory.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from the result of :meth:`state`."""
        sums = {name: value for name, value in state.items() if name != "recent"}
        totals = {side: Totals(**sums.pop(side)) for side in (BASELINE, OTHERS)}
        self.sums = Sums(**{**sums, **totals, "row": list(sums["row"]), "bounds": list(sums["bounds"])})
        self._memory.restore(state["recent"])

    def _totals(self, side: str) -> Totals:
        return self.sums.baseline if side == BASELINE else self.sums.others
