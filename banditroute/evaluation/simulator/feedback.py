"""The feedback of a replay: outcomes on the grid for every request and arm, and their arrival times."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from banditroute.core.arrays import OUTCOME_UNIT, BoolArray, FloatArray, IntArray
from banditroute.core.objectives import Objective, Objectives
from banditroute.evaluation.simulator.delays import IMMEDIATE, Delay
from banditroute.evaluation.workload.workload import Workload


@dataclass(frozen=True, slots=True, eq=False)
class GroupOutcomes:
    """The outcomes of one objective group, for every row of the workload and every arm.

    Attributes:
        group: Name of the objective group.
        names: Objectives of the group.
        reported: One array per objective, in its own unit; shape (rows, arms).
        grid: Scaled outcomes on the grid, as the model learns them; shape (rows, arms, objectives).
        is_known: Whether all objectives of the group were recorded; shape (rows, arms).
        is_learnable: Whether all of them are also within their limits; shape (rows, arms).
    """

    group: str
    names: tuple[str, ...]
    reported: Sequence[FloatArray]
    grid: IntArray
    is_known: BoolArray
    is_learnable: BoolArray

    def outcomes(self, row: int, arm: int) -> Mapping[str, float]:
        """Return objective → value of one cell, in the unit of the objective."""
        return {name: float(cells[row, arm]) for name, cells in zip(self.names, self.reported, strict=True)}


def outcomes_by_group(workload: Workload, objectives: Objectives) -> list[GroupOutcomes]:
    """Return the outcomes of a workload by objective group.

    Values on the grid are scaled and rounded, exactly as the live router does it.
    """
    found = []
    for group, positions in objectives.groups.items():
        members = [objectives[position] for position in positions]
        reported = [workload.outcomes[objective.name] for objective in members]
        is_known = ~np.any([np.isnan(cells) for cells in reported], axis=0)
        scaled = np.stack([_scaled(each, cells) for each, cells in zip(members, reported, strict=True)], axis=-1)
        limits = np.array([objective.limit for objective in members])
        is_learnable = is_known & (np.abs(scaled) <= limits).all(axis=-1)
        grid = np.rint(np.where(is_learnable[..., np.newaxis], scaled, 0.0) / OUTCOME_UNIT).astype(np.int64)
        names = tuple(objective.name for objective in members)
        found.append(GroupOutcomes(group, names, reported, grid, is_known, is_learnable))
    return found


def _scaled(objective: Objective, cells: FloatArray) -> FloatArray:
    if not objective.is_resource:
        # Values beyond natural bounds by a rounding error are the bounds, as in Objective.checked.
        cells = np.clip(cells, *objective.bounds)
    scaled: FloatArray = (cells - objective.bounds[0]) / objective.span
    return scaled


class FeedbackSchedule:
    """Arrival times of the outcomes of each request.

    Args:
        times: Times of the requests [s]; shape (requests,).
        groups: The objective groups.
        delays: Objective group → delay; outcomes of a group that is not named arrive before the next request.
        seed: Seed of the random delays.
    """

    def __init__(self, times: FloatArray, groups: Sequence[str], delays: Mapping[str, Delay], seed: int) -> None:
        # One random stream per group, so that the delay of one group does not change the draws of another.
        arrivals = [
            delays.get(group, IMMEDIATE).arrivals(times, np.random.default_rng((seed, i)))
            for i, group in enumerate(groups)
        ]
        steps = np.stack(arrivals, axis=1).ravel()
        self._groups = len(groups)
        self._order = np.argsort(steps, kind="stable").tolist()
        self._first = np.searchsorted(np.sort(steps), np.arange(len(times) + 2)).tolist()

    def at(self, step: int) -> list[tuple[int, int]]:
        """Return (request, index of group) of all outcomes that arrive just before a step, in order of requests.

        The step after the last request is allowed.
        """
        return [divmod(i, self._groups) for i in self._order[self._first[step] : self._first[step + 1]]]
