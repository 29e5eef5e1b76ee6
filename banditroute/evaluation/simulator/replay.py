"""A recorded workload, routed again by the real Router under an injected clock."""

import math
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, as_completed
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np

from banditroute.core.arms import Arm
from banditroute.core.arrays import FloatArray, IntArray
from banditroute.core.objectives import Objective, Objectives, Preferences
from banditroute.errors import InvalidArgumentError, UnknownArmError, WorkloadError
from banditroute.evaluation.report.comparison import Comparison
from banditroute.evaluation.simulator.candidate import Candidate
from banditroute.evaluation.simulator.delays import IMMEDIATE, Delay
from banditroute.evaluation.workload.objectives import infer_objectives
from banditroute.evaluation.workload.workload import Workload, shuffled_rows
from banditroute.policies import Fixed, Policy
from banditroute.router import Router

Order: TypeAlias = Literal["shuffled", "recorded"]
StoreSource: TypeAlias = Callable[[str, int], str]
"""(name of the policy, seed) → store URL."""

_START_S = 1_700_000_000.0
_MAX_SEED = 2**63 - 1


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """What one policy chose for one seed.

    Attributes:
        arm: Position of the chosen arm, shape (requests,).
        propensity: With which probability, shape (requests,).
    """

    arm: IntArray
    propensity: FloatArray


def replay(
    workload: Workload,
    policies: Mapping[str, Policy | Candidate],
    *,
    preferences: Preferences,
    objectives: Sequence[Objective] | None = None,
    seeds: int | Sequence[int] = 5,
    order: Order = "shuffled",
    delays: Mapping[str, Delay] | None = None,
    interval_s: float = 1.0,
    store: StoreSource | None = None,
    executor: Executor | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Comparison:
    """Route a workload with each policy and each seed, and compare what came of it.

    A seed fixes the order of the requests, every draw of the Router, and the chance in the delays; the policies
    see the same of all three, so their differences are paired.

    Args:
        workload: Full information; a cell that was not recorded is feedback that never arrives, together with
            the other objectives of its group.
        policies: Name → policy, or a :class:`~banditroute.evaluation.Candidate` with controllers around it. The
            first is the one that the others are compared with.
        preferences: Objective → weight.
        objectives: What the Router learns; by default the preferred metrics (see :func:`infer_objectives`).
        seeds: Their number (0, 1, …), or the seeds themselves.
        order: ``"shuffled"`` by the seed, or ``"recorded"``.
        delays: Objective group → delay; a group that is not named arrives before the next request.
        interval_s: Time between two requests [s].
        store: Where each run keeps its log; by default in memory.
        executor: Runs (policy, seed) pairs side by side; by default they run here, one after the other. One of
            processes needs candidates and delays that pickle.
        progress: Called with (runs done, runs in all).

    Raises:
        WorkloadError: if the workload lacks an objective, or has a value that the objective rejects.
        InvalidArgumentError: for any other setting that breaks its rule.
        UnknownArmError: if a policy names an arm that the workload has not.
    """
    chosen = Objectives(objectives if objectives is not None else infer_objectives(workload, preferences))
    chosen.weights(preferences)
    candidates = {name: Candidate.of(given) for name, given in policies.items()}
    _check(workload, candidates, chosen, order, delays or {}, interval_s)
    numbers = _seeds(seeds)
    task = _Task(workload, tuple(chosen), dict(preferences), order, dict(delays or {}), interval_s)
    jobs = [
        (name, seed, candidate, None if store is None else store(name, seed))
        for name, candidate in candidates.items()
        for seed in numbers
    ]
    runs: dict[tuple[str, int], Run] = {}
    for key, run in _results(task, jobs, executor):
        runs[key] = run
        if progress is not None:
            progress(len(runs), len(jobs))
    return Comparison(
        workload=workload,
        objectives=chosen,
        preferences=dict(preferences),
        policies=tuple(policies),
        seeds=numbers,
        rows=np.stack([task.rows(seed) for seed in numbers]),
        chosen=np.stack([[runs[name, seed].arm for seed in numbers] for name in policies]),
        propensity=np.stack([[runs[name, seed].propensity for seed in numbers] for name in policies]),
    )


_Job: TypeAlias = tuple[str, int, Candidate, str | None]


def _results(
    task: "_Task", jobs: Sequence[_Job], executor: Executor | None
) -> Iterator[tuple[tuple[str, int], Run]]:
    if executor is None:
        for name, seed, candidate, url in jobs:
            yield (name, seed), task.run(candidate, seed, url)
        return
    pending = {
        executor.submit(task.run, candidate, seed, url): (name, seed) for name, seed, candidate, url in jobs
    }
    try:
        for future in as_completed(pending):
            yield pending[future], future.result()
    finally:
        for future in pending:
            future.cancel()


@dataclass(frozen=True, slots=True, eq=False)
class _Task:
    """All that the runs of one replay have in common; it pickles."""

    workload: Workload
    objectives: tuple[Objective, ...]
    preferences: Preferences
    order: Order
    delays: Mapping[str, Delay]
    interval_s: float

    def rows(self, seed: int) -> IntArray:
        """Rows of the workload in the order in which this seed sees them."""
        count = len(self.workload)
        return np.arange(count) if self.order == "recorded" else shuffled_rows(count, seed)

    def run(self, candidate: Candidate, seed: int, url: str | None) -> Run:
        """Route every request once."""
        rows = self.rows(seed)
        count = len(rows)
        clock = _Clock()
        times = _START_S + self.interval_s * np.arange(count + 1.0)
        order, groups, mailbox = rows.tolist(), self._groups(), self._feedback_schedule(times[:count], seed)
        contexts = self.workload.features[rows]
        position = {arm: i for i, arm in enumerate(self.workload.arms)}
        arm, propensity = np.empty(count, dtype=np.int64), np.empty(count)
        with Router(
            "replay",
            arms=[Arm(name) for name in self.workload.arms],
            objectives=self.objectives,
            policy=candidate.policy,
            controllers=candidate.controllers(),
            preferences=self.preferences,
            store=url,
            features=self.workload.dimension,
            x_max=_power_of_two(self.workload.features),
            seed=seed,
            clock=clock,
            ids=_Bodies(seed),
        ) as router:
            ids: list[str] = []
            places: list[int] = []
            for step, now in enumerate(times.tolist()):
                clock.now = now
                for request, outcomes in _arrivals(mailbox[step], groups, order, places):
                    router.feedback(ids[request], **outcomes)
                if step < count:
                    decision = router.route(contexts[step])
                    place = position[decision.arm]
                    ids.append(decision.id)
                    places.append(place)
                    arm[step] = place
                    propensity[step] = decision.propensity
        return Run(arm, propensity)

    def _feedback_schedule(self, times: FloatArray, seed: int) -> "_Mailbox":
        """What arrives at each step; the one after the last request comes last."""
        count = len(times)
        groups = Objectives(self.objectives).groups
        # One stream of chance a group, so that the delay of one does not move the chance of another.
        arrivals = [
            self.delays.get(group, IMMEDIATE).arrivals(times, np.random.default_rng((seed, i)))
            for i, group in enumerate(groups)
        ]
        mailbox: _Mailbox = [[] for _ in range(count + 2)]
        for request, steps in enumerate(zip(*(arrival.tolist() for arrival in arrivals), strict=True)):
            for group, step in enumerate(steps):
                mailbox[min(step, count + 1)].append((request, group))
        return mailbox[: count + 1]

    def _groups(self) -> "_Groups":
        """Objectives and cells of each group; a cell is NaN where one of its group was not recorded."""
        groups: _Groups = []
        for places in Objectives(self.objectives).groups.values():
            names = [self.objectives[i].name for i in places]
            unknown = np.any([np.isnan(self.workload.outcomes[name]) for name in names], axis=0)
            cells = [np.where(unknown, np.nan, self.workload.outcomes[name]).tolist() for name in names]
            groups.append(list(zip(names, cells, strict=True)))
        return groups


_Mailbox: TypeAlias = list[list[tuple[int, int]]]
"""Step → (request, group), by request."""

_Groups: TypeAlias = list[list[tuple[str, list[list[float]]]]]
"""Group → (objective, row → arm → outcome)."""


def _arrivals(
    arriving: Sequence[tuple[int, int]], groups: _Groups, order: Sequence[int], places: Sequence[int]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """(request, outcomes) of what arrives together; groups of one request share a letter."""
    outcomes: dict[str, Any] = {}
    last = -1
    for request, group in arriving:
        if request != last:
            if outcomes:
                yield last, outcomes
            outcomes, last = {}, request
        row, place = order[request], places[request]
        for name, cells in groups[group]:
            value = cells[row][place]
            if not math.isnan(value):
                outcomes[name] = value
    if outcomes:
        yield last, outcomes


@dataclass(slots=True)
class _Clock:
    """The time that the replay says it is."""

    now: float = _START_S

    def __call__(self) -> float:
        return self.now


@dataclass(slots=True)
class _Bodies:
    """Id bodies of one run: the seed and a counter, so that every policy meets the same draws."""

    seed: int
    issued: int = field(default=0)

    def __call__(self) -> bytes:
        self.issued += 1
        return struct.pack(">qQ", self.seed, self.issued)


def _power_of_two(features: FloatArray) -> float:
    """The smallest power of two, at least 1, that no feature exceeds."""
    return float(2.0 ** np.ceil(np.log2(max(1.0, np.abs(features).max()))))


def _seeds(seeds: int | Sequence[int]) -> tuple[int, ...]:
    if isinstance(seeds, int) and not isinstance(seeds, bool):
        if seeds < 1:
            raise InvalidArgumentError(f"seeds = {seeds} must be at least 1")
        return tuple(range(seeds))
    if isinstance(seeds, str | bytes | bool) or not isinstance(seeds, Sequence):
        raise InvalidArgumentError(f"seeds must be their number or a sequence of integers, got {seeds!r:.60}")
    for seed in seeds:
        if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= _MAX_SEED:
            raise InvalidArgumentError(f"seed {seed!r} must be an integer from 0 to 2⁶³ − 1")
    if not seeds or len(set(seeds)) < len(seeds):
        raise InvalidArgumentError(f"seeds must be one or more different integers, got {list(seeds)!r:.60}")
    return tuple(seeds)


def _check(
    workload: Workload,
    candidates: Mapping[str, Candidate],
    objectives: Objectives,
    order: str,
    delays: Mapping[str, Delay],
    interval_s: float,
) -> None:
    if not candidates:
        raise InvalidArgumentError("replay needs at least one policy")
    for policy in (candidate.policy for candidate in candidates.values()):
        if isinstance(policy, Fixed) and policy.arm not in workload.arms:
            known = ", ".join(workload.arms)
            raise UnknownArmError(f"unknown arm {policy.arm!r} in policy Fixed; {workload.name} has: {known}")
    if order not in ("shuffled", "recorded"):
        raise InvalidArgumentError(f"order = {order!r} must be 'shuffled' or 'recorded'")
    if not 0 < interval_s < float("inf"):
        raise InvalidArgumentError(f"interval_s = {interval_s!r} must be finite and above 0")
    for group in delays:
        if group not in objectives.groups:
            known = ", ".join(objectives.groups)
            raise InvalidArgumentError(f"delays name an unknown group {group!r}; the groups are: {known}")
    for objective in objectives:
        _check_outcomes(workload, objective)


def _check_outcomes(workload: Workload, objective: Objective) -> None:
    cells = workload.outcomes.get(objective.name)
    if cells is None:
        known = ", ".join(workload.outcomes)
        raise WorkloadError(f"{workload.name} has no metric {objective.name!r}; it has: {known}")
    lo, hi = objective.bounds
    outside = np.argwhere((cells < lo) | (cells > hi))
    if objective.on_out_of_range == "reject" and outside.size:
        row, arm = outside[0]
        raise WorkloadError(
            f"{workload.name}: {objective.name} = {cells[row, arm]:g} of query {workload.query_ids[row]!r:.60} "
            f"with arm {workload.arms[arm]!r} is outside [{lo:g}, {hi:g}]"
        )
