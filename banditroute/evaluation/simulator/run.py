"""One run of a replay: one policy, one seed, on the engine of the live router or on a router with a store."""

import math
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from banditroute.core.arms import Arm
from banditroute.core.arrays import FloatArray, IntArray, feature_row
from banditroute.core.log import DecisionRecord, FeedbackRecord, PreferencesRecord, StateKey
from banditroute.core.objectives import Objective, Objectives, Preferences
from banditroute.core.spec import RouterSpec
from banditroute.evaluation.simulator.candidate import Candidate
from banditroute.evaluation.simulator.delays import Delay
from banditroute.evaluation.simulator.feedback import (
    FeedbackSchedule,
    GroupOutcomes,
    outcomes_by_group,
)
from banditroute.evaluation.workload.workload import Workload, shuffled_rows
from banditroute.learning import Example
from banditroute.router.choice import Choice, Chooser
from banditroute.router.engine import Engine
from banditroute.router.router import Router
from banditroute.router.state.arms import seed_records

_START_S = 1_700_000_000.0


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """The choices of one policy for one seed.

    Attributes:
        arm: Index of the chosen arm, shape (requests,).
        propensity: Probability of the chosen arm, shape (requests,).
    """

    arm: IntArray
    propensity: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """The settings that all runs of one replay share; picklable.

    Attributes:
        workload: A workload with the outcomes of all arms.
        objectives: The objectives that are learned.
        preferences: Objective → weight.
        is_shuffled: Whether a seed shuffles the requests.
        delays: Objective group → delay.
        interval_s: Time between two requests [s].
    """

    workload: Workload
    objectives: tuple[Objective, ...]
    preferences: Preferences
    is_shuffled: bool
    delays: Mapping[str, Delay]
    interval_s: float

    def rows(self, seed: int) -> IntArray:
        """Return the rows of the workload in the order of this seed."""
        count = len(self.workload)
        return shuffled_rows(count, seed) if self.is_shuffled else np.arange(count)

    def run(self, candidate: Candidate, seed: int, url: str | None) -> Run:
        """Route every request once.

        Without a store the engine runs without a router, with the same choices bit for bit. Outcome windows are
        closed by the router, so a replay with windows needs one.
        """
        rows = self.rows(seed)
        objectives = Objectives(self.objectives)
        groups = outcomes_by_group(self.workload, objectives)
        times = _START_S + self.interval_s * np.arange(len(rows) + 1.0)
        schedule = FeedbackSchedule(times[:-1], [group.group for group in groups], self.delays, seed)
        if url is None and not any(objectives.windows.values()):
            return _EngineRun(self, candidate, seed, rows, groups).go(times, schedule)
        return self._run_router(candidate, seed, url, rows, groups, times, schedule)

    def spec(self, candidate: Candidate) -> RouterSpec:
        """Return the specification of the routers."""
        return RouterSpec.of(
            "replay",
            "",
            Objectives(self.objectives),
            self.workload.dimension,
            intercept=True,
            x_max=_power_of_two(self.workload.features),
            policy=candidate.policy,
        )

    def _run_router(
        self,
        candidate: Candidate,
        seed: int,
        url: str | None,
        rows: IntArray,
        groups: list[GroupOutcomes],
        times: FloatArray,
        schedule: FeedbackSchedule,
    ) -> Run:
        spec, clock = self.spec(candidate), _Clock()
        position = {arm: i for i, arm in enumerate(self.workload.arms)}
        contexts, order = self.workload.features[rows], rows.tolist()
        arms: list[int] = []
        propensity = np.empty(len(rows))
        with Router(
            spec.name,
            arms=[Arm(name) for name in self.workload.arms],
            objectives=self.objectives,
            policy=candidate.policy,
            controllers=candidate.controllers(),
            preferences=self.preferences,
            store=url,
            features=spec.dimension,
            x_max=spec.x_max,
            seed=seed,
            clock=clock,
            ids=_Keys(seed),
        ) as router:
            ids: list[str] = []
            for step, now in enumerate(times.tolist()):
                clock.now = now
                for request, outcomes in _reports(schedule.at(step), groups, order, arms):
                    router.feedback(ids[request], outcomes)
                if step < len(rows):
                    decision = router.route(contexts[step])
                    ids.append(decision.id)
                    arms.append(position[decision.arm])
                    propensity[step] = decision.propensity
        return Run(np.array(arms, dtype=np.int64), propensity)


class _EngineRun:
    """A run on an engine; records are built only if there are controllers to read them."""

    def __init__(
        self, task: Task, candidate: Candidate, seed: int, rows: IntArray, groups: list[GroupOutcomes]
    ) -> None:
        self._clock = _Clock()
        self._engine = Engine(
            task.spec(candidate), candidate.policy, controllers=candidate.controllers(), clock=self._clock
        )
        self._state = self._engine.state
        arms = [Arm(name) for name in task.workload.arms]
        for record in seed_records(arms, self._engine.objectives, self._engine.now_us()):
            self._state.arms.put(record)
        preferences = self._engine.objectives.plain(task.preferences)
        self._engine.requests.set_preferences(PreferencesRecord(1, preferences, self._engine.now_us()))
        self._engine.set_spec(self._engine.spec)
        self._chooser = Chooser(self._engine, seed=seed, ids=_Keys(seed))
        # One object per context: the model recognises, by identity, a context that it has just predicted for.
        self._contexts = list(feature_row(task.workload.features[rows], intercept=True))
        self._order = rows.tolist()
        self._groups = groups
        self._names = self._state.arms.names
        self._epochs: list[int] = []
        self._arms: list[int] = []
        self._records: list[DecisionRecord] = []
        self._propensity = np.empty(len(rows))

    def go(self, times: FloatArray, schedule: FeedbackSchedule) -> Run:
        """Route and learn in order of time."""
        choose, faults = self._chooser.choose, self._engine.faults
        count_decision = self._record_decision if self._state.controllers else self._count_decision
        learn = self._learn_record if self._state.controllers else self._learn
        count = len(self._order)
        # All requests are alike but for their time, and each is answered before the next is made.
        request_now = self._engine.requests.build(now_us=self._engine.now_us())
        for step, now in enumerate(times.tolist()):
            self._clock.now = now
            for request, group in schedule.at(step):
                outcomes, row, arm = self._groups[group], self._order[request], self._arms[request]
                if outcomes.is_known[row, arm]:
                    try:
                        learn(request, row, arm, outcomes)
                    except Exception as fault:
                        if not faults.holds(fault):
                            raise
            if step < count:
                request_now.now_us = self._engine.now_us()
                choice = choose(self._contexts[step], request_now)
                self._arms.append(choice.arm)
                self._propensity[step] = choice.probabilities[choice.arm]
                try:
                    count_decision(choice)
                except Exception as fault:
                    if not faults.holds(fault):
                        raise
        return Run(np.array(self._arms, dtype=np.int64), self._propensity)

    def _count_decision(self, choice: Choice) -> None:
        epoch = self._state.next_epoch()
        self._epochs.append(epoch)
        self._state.count_decision(choice.arm, choice.row, choice.decision_key, epoch, choice.excluded)

    def _record_decision(self, choice: Choice) -> None:
        record = choice.record(self._state)
        self._records.append(record)
        self._state.apply_decision(record)

    def _learn(self, request: int, row: int, arm: int, outcomes: GroupOutcomes) -> None:
        if not outcomes.is_learnable[row, arm]:
            self._state.skip()
            return
        key = StateKey(self._names[arm], outcomes.group, self._epochs[request])
        values = tuple(outcomes.grid[row, arm].tolist())
        self._state.learn(Example(key, self._contexts[request], values))

    def _learn_record(self, request: int, row: int, arm: int, outcomes: GroupOutcomes) -> None:
        decision = self._records[request]
        self._state.apply_feedback(
            FeedbackRecord(
                decision_key=decision.decision_key,
                number=self._state.position.n_feedback + 1,
                group=outcomes.group,
                revision=0,
                arm=decision.arm,
                row=decision.row,
                epoch=decision.epoch,
                values=tuple(outcomes.grid[row, arm].tolist()) if outcomes.is_learnable[row, arm] else None,
                previous=None,
                outcomes=outcomes.outcomes(row, arm),
                source=None,
                received_us=self._engine.now_us(),
            )
        )


def _reports(
    arriving: list[tuple[int, int]], groups: list[GroupOutcomes], order: list[int], arms: list[int]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (request, outcomes); groups of one request that arrive together share one report."""
    outcomes: dict[str, Any] = {}
    last = -1
    for request, group in arriving:
        if request != last:
            if outcomes:
                yield last, outcomes
            outcomes, last = {}, request
        row, arm = order[request], arms[request]
        if groups[group].is_known[row, arm]:
            outcomes.update(groups[group].outcomes(row, arm))
    if outcomes:
        yield last, outcomes


@dataclass(slots=True)
class _Clock:
    """The simulated time [s since the epoch]."""

    now: float = _START_S

    def __call__(self) -> float:
        return self.now


@dataclass(slots=True)
class _Keys:
    """Generates the decision keys of one run from the seed and a counter, so all policies get the same draws."""

    seed: int
    issued: int = field(default=0)

    def __call__(self) -> bytes:
        self.issued += 1
        return struct.pack(">qQ", self.seed, self.issued)


def _power_of_two(features: FloatArray) -> float:
    """Return the smallest power of two, at least 1, that no feature exceeds."""
    return float(2.0 ** math.ceil(math.log2(max(1.0, float(np.abs(features).max())))))
