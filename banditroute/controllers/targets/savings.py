"""The quality budget of a quality floor: the surplus that was earned, and how much of it may be spent."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from banditroute.controllers.pending import PendingOutcomes
from banditroute.core.arrays import RowArray
from banditroute.learning.confidence import stitched_boundary

Pending = tuple[str, float, float, float | None, str, str]
"""Whose sums it is in, what it counts with until its report, the guess, the report, its arm and its group."""

BASELINE, OTHERS = "baseline", "others"


@dataclass(slots=True)
class Totals:
    """Totals over some requests.

    Attributes:
        reports, total, variance: Of those reported: their number, what they yielded, and its squared distance from
            what was guessed.
        waiting, awaited: Number of the others, and what they count with.
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
        """Lower bound of the sum of what was to be expected, at all times but with chance ``error``.

        Nothing yields less than its bound, which says more than chance does while reports are few.
        """
        lowest, highest = bounds
        deviation = stitched_boundary(self.variance, scale=highest - lowest, error=error)
        return max(self.reports * lowest, self.total - deviation) + self.awaited

    def happens_at_least(self, bounds: Sequence[float], error: float) -> float:
        """Lower bound of the sum of what did happen: chance is only in what was not reported yet."""
        lowest, highest = bounds
        span = highest - lowest
        deviation = stitched_boundary(self.waiting * span**2 / 4.0, scale=span, error=error)
        return self.total + max(self.waiting * lowest, self.awaited - deviation)


def happens_at_most(requests: int, mean: float, bounds: Sequence[float], error: float) -> float:
    """Upper bound of what requests of such a mean yield together, at all times but with chance ``error``.

    No variance is larger than (highest − mean) · (mean − lowest).
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
        requests: How many there were.
        baseline, others: What was yielded where the baseline served, and where it did not.
        served_by_others: How many requests the latter are.
        forgone: What the baseline would have yielded there, at the most.
        row: The sum of their contexts, on the grid.
        column, bounds: Place and bounds of the objective.
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
    """By how much the floor is surely exceeded so far: in expectation, and as it happened.

    In expectation that is (1 − s) L_b + L − s n m, with s the share that must be reached, L_b and L the lower
    bounds of what the baseline was to yield, and the others in n requests, and m the upper bound of what the
    baseline would have yielded at their average context. As it happened it is (1 − s) Y_b + Y − s U, with what
    they did yield, and the upper bound U of what n requests of mean m may happen to yield.

    If the mean m of the baseline is known, all requests are others to it: L and Y are over all of them, which
    are n.
    """

    def __init__(self, *, at_least: float, baseline_mean: float | None, error: float) -> None:
        self.at_least, self.baseline_mean, self.error = at_least, baseline_mean, error
        self.sums = Sums()
        self._memory: PendingOutcomes[Pending] = PendingOutcomes()

    @property
    def expected(self) -> float:
        """In expectation, in the objective's unit times requests."""
        sums, error = self.sums, self.error / 4
        own = sums.baseline.expected_at_least(sums.bounds, error)
        others = sums.others.expected_at_least(sums.bounds, error)
        _, forgone = self._instead()
        return (1.0 - self.at_least) * own + others - self.at_least * forgone

    @property
    def realised(self) -> float:
        """As it happened, in the objective's unit times requests."""
        sums, error = self.sums, self.error / 4
        own = sums.baseline.happens_at_least(sums.bounds, error)
        others = sums.others.happens_at_least(sums.bounds, error)
        n, forgone = self._instead()
        most = happens_at_most(n, forgone / n, sums.bounds, error) if n else 0.0
        return (1.0 - self.at_least) * own + others - self.at_least * most

    def _instead(self) -> tuple[int, float]:
        """Requests that are held against the baseline, and what it is expected to yield in them at the most."""
        if self.baseline_mean is not None:
            return self.sums.requests, self.baseline_mean * self.sums.requests
        return self.sums.served_by_others, self.sums.forgone

    def take(self, body: bytes, arm: str, row: RowArray, *, is_baseline: bool, low: float, guess: float) -> None:
        """Count a request with the least that is believed of it."""
        sums = self.sums
        sums.requests += 1
        whose = BASELINE if is_baseline and self.baseline_mean is None else OTHERS
        if is_baseline and self.baseline_mean is not None:
            low = self.baseline_mean
        if not is_baseline:
            sums.served_by_others += 1
            before = sums.row or [0] * len(row)
            sums.row = [total + x for total, x in zip(before, row.tolist(), strict=True)]
        self._yield(whose).count(1, None, low, guess)
        self._memory.put(body, (whose, low, guess, None, arm, ""))

    def report(self, body: bytes, arm: str, group: str, value: float | None) -> None:
        """Put what was reported in the place of what was believed; or the other way round, if it is taken back.

        What a stand-in served does not count.
        """
        note = self._memory.get(body)
        if note is None or (note[4] != arm if value is not None else note[5] != group):
            return
        whose, low, guess, before, _, _ = note
        self._yield(whose).count(-1, before, low, guess)
        self._yield(whose).count(1, value, low, guess)
        self._memory.put(body, (whose, low, guess, value, arm, "" if value is None else group))

    def average_row(self) -> RowArray:
        """Average context of the requests that another arm served, on the grid; shape (d,)."""
        return np.rint(np.array(self.sums.row, dtype=np.float64) / self.sums.served_by_others).astype(np.int32)

    def state(self) -> Mapping[str, Any]:
        """All sums, and what recent requests are counted with."""
        return {**asdict(self.sums), "recent": self._memory.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from what :meth:`state` gave."""
        sums = {name: value for name, value in state.items() if name != "recent"}
        yields = {whose: Totals(**sums.pop(whose)) for whose in (BASELINE, OTHERS)}
        self.sums = Sums(**{**sums, **yields, "row": list(sums["row"]), "bounds": list(sums["bounds"])})
        self._memory.restore(state["recent"])

    def _yield(self, whose: str) -> Totals:
        return self.sums.baseline if whose == BASELINE else self.sums.others
