"""Replays a recorded workload on the engine of the live router, under an injected clock."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Executor, as_completed
from typing import Literal, TypeAlias

import numpy as np

from banditroute.core.objectives import ROUNDING, Objective, Objectives, Preferences
from banditroute.core.shown import shown
from banditroute.core.spec import MAX_FEATURE
from banditroute.core.validation import require_number, require_one_of
from banditroute.errors import InvalidArgumentError, UnknownArmError, WorkloadError
from banditroute.evaluation.report.comparison import Comparison
from banditroute.evaluation.simulator.candidate import Candidate
from banditroute.evaluation.simulator.delays import Delay
from banditroute.evaluation.simulator.run import Run, Task
from banditroute.evaluation.workload.objectives import infer_objectives
from banditroute.evaluation.workload.workload import Workload
from banditroute.policies import Fixed, Policy

Order: TypeAlias = Literal["shuffled", "recorded"]
StoreSource: TypeAlias = Callable[[str, int], str]
"""(name of the policy, seed) → store URL."""

_MAX_SEED = 2**63 - 1


class ReplayInterrupted(KeyboardInterrupt):
    """An interrupted :func:`replay`.

    Attributes:
        comparison: The comparison over the seeds that all policies have completed; None if there is none.
    """

    def __init__(self, comparison: Comparison | None) -> None:
        super().__init__("the replay was interrupted")
        self.comparison = comparison


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
    """Route a workload with each policy and each seed, and compare the results.

    A seed fixes the order of the requests, every draw of the router, and the random delays. All policies get the
    same of all three, so their differences are paired.

    Args:
        workload: A workload with the outcomes of all arms. The feedback of a cell that was not recorded never
            arrives, nor do the other objectives of its group.
        policies: Name → policy, or a :class:`~banditroute.evaluation.Candidate` with controllers around it. The
            others are compared with the first.
        preferences: Objective → weight.
        objectives: Objectives to learn; by default the preferred metrics (see :func:`infer_objectives`).
        seeds: Number of seeds (0, 1, …), or the seeds themselves.
        order: ``"shuffled"`` by each seed, or ``"recorded"``.
        delays: Objective group → delay; outcomes of a group that is not named arrive before the next request.
        interval_s: Time between two requests [s].
        store: Function that returns the store URL of a run; by default a run has no store.
        executor: Runs the (policy, seed) pairs in parallel; by default they run in this thread, one after the
            other. A process executor needs picklable candidates and delays.
        progress: Called with (runs done, runs in total).

    Raises:
        WorkloadError: if the workload lacks an objective, or has a value that the objective rejects.
        InvalidArgumentError: for any other setting that breaks its rule.
        UnknownArmError: if a policy names an arm that is not in the workload.
        ReplayInterrupted: after Ctrl-C; it holds what was complete.
    """
    chosen = Objectives(objectives if objectives is not None else infer_objectives(workload, preferences))
    chosen.weights(preferences)
    candidates = {name: Candidate.of(given) for name, given in policies.items()}
    _check(workload, candidates, chosen, order, delays or {}, interval_s)
    numbers = _seeds(seeds)
    task = Task(workload, tuple(chosen), dict(preferences), order == "shuffled", dict(delays or {}), interval_s)
    urls: Callable[[str, int], str | None] = store or (lambda _name, _seed: None)
    # Seed by seed, so that an interrupted replay has some that are complete.
    jobs = [(name, seed, given, urls(name, seed)) for seed in numbers for name, given in candidates.items()]
    runs: _Runs = {}
    try:
        for key, run in _results(task, jobs, executor):
            runs[key] = run
            if progress is not None:
                progress(len(runs), len(jobs))
    except KeyboardInterrupt:
        complete = [seed for seed in numbers if all((name, seed) in runs for name in candidates)]
        raise ReplayInterrupted(_compared(task, policies, complete, runs) if complete else None) from None
    return _compared(task, policies, numbers, runs)


_Job: TypeAlias = tuple[str, int, Candidate, str | None]
_Runs: TypeAlias = dict[tuple[str, int], Run]


def _compared(task: Task, policies: Collection[str], seeds: Sequence[int], runs: _Runs) -> Comparison:
    return Comparison(
        workload=task.workload,
        objectives=Objectives(task.objectives),
        preferences=task.preferences,
        policies=tuple(policies),
        seeds=tuple(seeds),
        rows=np.stack([task.rows(seed) for seed in seeds]),
        chosen=np.stack([[runs[name, seed].arm for seed in seeds] for name in policies]),
        propensity=np.stack([[runs[name, seed].propensity for seed in seeds] for name in policies]),
    )


def _results(task: Task, jobs: Sequence[_Job], executor: Executor | None) -> Iterator[tuple[tuple[str, int], Run]]:
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


def _seeds(seeds: int | Sequence[int]) -> tuple[int, ...]:
    if isinstance(seeds, int) and not isinstance(seeds, bool):
        if seeds < 1:
            raise InvalidArgumentError(f"seeds = {seeds} must be at least 1")
        return tuple(range(seeds))
    if isinstance(seeds, str | bytes | bool) or not isinstance(seeds, Sequence):
        raise InvalidArgumentError(f"seeds must be a number or a sequence of integers, got {shown(seeds)}")
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
    require_one_of("order", order, ("shuffled", "recorded"))
    interval_s = require_number("interval_s", interval_s, above=0)
    for group in delays:
        if group not in objectives.groups:
            known = ", ".join(objectives.groups)
            raise InvalidArgumentError(f"delays name an unknown group {group!r}; the groups are: {known}")
    for objective in objectives:
        _check_outcomes(workload, objective)
    _refuse_log(workload, objectives)
    _check_features(workload)


def _refuse_log(workload: Workload, objectives: Objectives) -> None:
    """Refuse a log of one arm per request: what the other arms would have done is not in it."""
    recorded = np.stack([~np.isnan(workload.outcomes[objective.name]) for objective in objectives]).any(axis=0)
    arms = recorded.sum(axis=1)
    if len(workload.arms) > 1 and np.median(arms) <= 1:
        raise WorkloadError(
            f"{workload.name} is a log: {int((arms <= 1).sum())} of {len(arms)} requests have the outcomes of "
            f"only one of {len(workload.arms)} arms. replay needs those of all arms; a log is for 'banditroute "
            "evaluate', which estimates what other choices would have done"
        )


def _check_features(workload: Workload) -> None:
    largest = np.abs(workload.features).max(axis=0)
    if largest.max() > MAX_FEATURE:
        worst = int(largest.argmax())
        raise WorkloadError(
            f"{workload.name}: feature {worst} (counted from 0) reaches {largest[worst]:g}, beyond "
            f"±{MAX_FEATURE:g}; divide it by a constant, or take its logarithm"
        )


def _check_outcomes(workload: Workload, objective: Objective) -> None:
    cells = workload.outcomes.get(objective.name)
    if cells is None:
        known = ", ".join(workload.outcomes)
        raise WorkloadError(f"{workload.name} has no metric {objective.name!r}; it has: {known}")
    lo, hi = objective.bounds
    slack = ROUNDING * objective.span
    outside = np.argwhere((cells < lo - slack) | (cells > hi + slack))
    if not objective.is_resource and outside.size:
        row, arm = outside[0]
        raise WorkloadError(
            f"{workload.name}: {objective.name} = {float(cells[row, arm])!r} of query "
            f"{shown(workload.query_ids[row])} with arm {workload.arms[arm]!r} is outside [{lo:g}, {hi:g}]"
        )
