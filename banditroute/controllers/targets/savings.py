"""What a quality floor has saved up, and what it may spend."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from banditroute.arrays import RowArray
from banditroute.controllers.memory import Memory
from banditroute.learning.confidence import boundary

Note = tuple[bool, float, float, float | None, str, str]
"""Does it count with its mean; what it counts with until the report, the guess, the report, its arm and group."""


@dataclass(slots=True)
class Sums:
    """What a floor adds up, in units of the objective times requests.

    Attributes:
        requests: How many there were.
        baseline: Over requests that the baseline served: what it yielded.
        reports, total, variance: Over requests that another arm served and of which was reported: their number,
            what they yielded, and its squared distance from what was guessed.
        awaited: Over those of which was not: the lower bound of what was believed.
        others: How many requests another arm served.
        forgone: What the baseline would have yielded there, at the most.
        row: The sum of their contexts, on the grid.
        column, bounds: Place and bounds of the objective.
    """

    requests: int = 0
    baseline: float = 0.0
    reports: int = 0
    total: float = 0.0
    variance: float = 0.0
    awaited: float = 0.0
    others: int = 0
    forgone: float = 0.0
    row: list[int] = field(default_factory=list)
    column: int = 0
    bounds: list[float] = field(default_factory=lambda: [0.0, 1.0])


class Savings:
    """By how much the floor is surely exceeded so far.

    With the baseline's mean unknown, the slack is (1 − s) Σ_b y + L − s n μ̄_b, with s the share that must be
    reached, the sum over requests that the baseline served, L the lower bound of what the n other requests
    yielded, and μ̄_b the upper bound of what the baseline would have yielded at their average context. With its
    mean μ_b known, L is over all T requests, and the slack L − s T μ_b.
    """

    def __init__(self, *, at_least: float, known: float | None, error: float) -> None:
        self.at_least, self.known, self.error = at_least, known, error
        self.sums = Sums()
        self._memory: Memory[Note] = Memory()

    @property
    def slack(self) -> float:
        """In the objective's unit, times requests."""
        sums = self.sums
        lowest, highest = sums.bounds
        stray = boundary(sums.variance, scale=highest - lowest, error=self.error)
        # Nothing yields less than its bound, which says more than chance does while reports are few.
        sure = max(sums.reports * lowest, sums.total - stray) + sums.awaited
        if self.known is not None:
            return sure - self.at_least * self.known * sums.requests
        return (1.0 - self.at_least) * sums.baseline + sure - self.at_least * sums.forgone

    def take(self, body: bytes, arm: str, row: RowArray, *, is_baseline: bool, low: float, guess: float) -> None:
        """Count a request with the least that is believed of it."""
        sums, by_mean = self.sums, is_baseline and self.known is None
        if is_baseline and self.known is not None:
            low = self.known
        sums.requests += 1
        if by_mean:
            sums.baseline += low
        else:
            sums.awaited += low
        if not is_baseline:
            sums.others += 1
            before = sums.row or [0] * len(row)
            sums.row = [total + x for total, x in zip(before, row.tolist(), strict=True)]
        self._memory.put(body, (by_mean, low, guess, None, arm, ""))

    def report(self, body: bytes, arm: str, group: str, value: float | None) -> None:
        """Put what was reported in the place of what was believed; or the other way round, if it is taken back.

        What a stand-in served does not count.
        """
        note = self._memory.get(body)
        if note is None or (note[4] != arm if value is not None else note[5] != group):
            return
        by_mean, low, guess, before, _, _ = note
        self._memory.put(body, (by_mean, low, guess, value, arm, group if value is not None else ""))
        if by_mean:
            self.sums.baseline += (low if value is None else value) - (low if before is None else before)
            return
        self._count(-1, before, low, guess)
        self._count(1, value, low, guess)

    def _count(self, sign: int, outcome: float | None, low: float, guess: float) -> None:
        sums = self.sums
        if outcome is None:
            sums.awaited += sign * low
        else:
            sums.reports += sign
            sums.total += sign * outcome
            sums.variance = max(0.0, sums.variance + sign * (outcome - guess) ** 2)

    def average_row(self) -> RowArray:
        """Average context of the requests that another arm served, on the grid; shape (d,)."""
        return np.rint(np.array(self.sums.row, dtype=np.float64) / self.sums.others).astype(np.int32)

    def state(self) -> Mapping[str, Any]:
        """All sums, and what recent requests are counted with."""
        return {**asdict(self.sums), "recent": self._memory.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from what :meth:`state` gave."""
        sums = {name: value for name, value in state.items() if name != "recent"}
        self.sums = Sums(**{**sums, "row": list(sums["row"]), "bounds": list(sums["bounds"])})
        self._memory.restore(state["recent"])
