"""The state of a router: a fold of its log, and nothing else."""

from collections.abc import Sequence

import numpy as np

from banditroute.arrays import FloatArray, IntArray, RowArray, from_feature_row
from banditroute.controllers import Controller, check_names
from banditroute.errors import SnapshotCorruptError
from banditroute.learning import Belief
from banditroute.objectives import COST, Objectives
from banditroute.records import DecisionRecord, FeedbackRecord, Position, RouterSpec, SnapshotRecord, StateKey
from banditroute.state import snapshot
from banditroute.state.roster import Roster


class State:
    """What is believed, which arms there are, and how far the log was read.

    Feeding it the same records in the same order gives the same bits, whether they come from callers or from
    the log. It is not thread-safe; the router holds a lock.
    """

    def __init__(self, objectives: Objectives, *, ridge: float, controllers: Sequence[Controller] = ()) -> None:
        self.objectives = objectives
        self.ridge = ridge
        check_names(controllers)
        self.controllers = tuple(controllers)
        self._beginnings = {controller.name: controller.state() for controller in self.controllers}
        self.roster = Roster()
        self.plays: IntArray = np.zeros(0, dtype=np.int64)
        self.position = Position()
        self.belief: Belief | None = None
        self._cost = objectives.names.index(COST) if COST in objectives.names else None

    def fix_dimension(self, spec: RouterSpec) -> None:
        """Start to believe, from nothing, now that the number of features is known."""
        assert spec.dimension is not None
        self.belief = Belief(self.objectives, spec.dimension, intercept=spec.intercept, ridge=self.ridge)
        self.plays = np.zeros(0, dtype=np.int64)
        self.position = Position()
        for controller in self.controllers:
            controller.restore(self._beginnings[controller.name])

    def see_decision(self, record: DecisionRecord) -> None:
        """Count a decision."""
        self._meet(len(record.arms))
        self.position = Position(self.position.learned, record.decided)
        self.plays[self.roster.position(record.arm)] += 1
        for controller in self.controllers:
            # Not of arms that a replay knows already, but which came later.
            controller.decided(record, lambda rows: self._believed(rows, record.created_us))

    def see_feedback(self, record: FeedbackRecord) -> None:
        """Learn one group of outcomes (or an amendment, or a retraction)."""
        assert self.belief is not None
        self._meet(self.roster.position(record.arm) + 1)
        key = StateKey(record.arm, record.group, record.epoch)
        self.belief.learn(key, record.row, record.values, record.previous)
        self.position = Position(record.learned, self.position.decided)
        for controller in self.controllers:
            controller.learned(record)

    def see(self, record: DecisionRecord | FeedbackRecord) -> None:
        """Replay one record of the log."""
        if isinstance(record, DecisionRecord):
            self.see_decision(record)
        else:
            self.see_feedback(record)

    def _meet(self, count: int) -> None:
        """Begin to believe something of the first ``count`` arms.

        Arms are met when a decision or a feedback first knows of them, in life as in replay, and not when they
        are added: so the log alone determines the order of events.
        """
        assert self.belief is not None
        for name in self.roster.names[len(self.plays) : count]:
            self.belief.add_arm(name, self._prior(name))
            self.plays = np.append(self.plays, 0)

    def predict(self, row: RowArray, now_us: int) -> tuple[FloatArray, FloatArray]:
        """Mean and width, scaled, dollars at today's prices; both of shape (..., arms, objectives)."""
        self._meet(len(self.roster))
        return self._believed(row, now_us)

    def _believed(self, row: RowArray, now_us: int) -> tuple[FloatArray, FloatArray]:
        assert self.belief is not None
        mean, width = self.belief.predict(from_feature_row(row))
        factors = self.roster.price_factors(now_us)
        if factors is not None and self._cost is not None:
            factors = factors[: len(self.plays)]
            objective = self.objectives[self._cost]
            offset = objective.bounds[0] / objective.span
            mean[..., self._cost] = (mean[..., self._cost] + offset) * factors - offset
            width[..., self._cost] *= factors
        return mean, width

    @property
    def at_snapshot(self) -> bool:
        """Whether this is a place from which the log can be continued bit for bit."""
        return self.belief is not None and self.belief.is_fresh

    def snapshot(self, *, now_us: int) -> SnapshotRecord:
        """Everything that is not in the arms' own records."""
        assert self.belief is not None
        states = {controller.name: controller.state() for controller in self.controllers}
        facts = {"plays": self.plays.tolist(), "controllers": states}
        return SnapshotRecord(self.position, snapshot.encode(facts, self.belief.encode()), now_us)

    def restore(self, record: SnapshotRecord) -> None:
        """Stand where the snapshot was taken.

        Raises:
            SnapshotCorruptError: if it is damaged, or of another router; then start anew from the log.
        """
        assert self.belief is not None
        facts, sums = snapshot.decode(record.blob)
        plays, states = facts.get("plays"), facts.get("controllers")
        if not isinstance(plays, list) or len(plays) > len(self.roster) or not all(map(_is_count, plays)):
            raise SnapshotCorruptError("snapshot is of a router with other arms")
        if not isinstance(states, dict) or set(states) != set(self._beginnings):
            raise SnapshotCorruptError("snapshot is of a router with other controllers")
        self._meet(len(plays))
        self.belief.restore(sums, learned=record.position.learned)
        self.plays = np.array(plays, dtype=np.int64)
        self.position = record.position
        for controller in self.controllers:
            controller.restore(states[controller.name])

    def digest(self) -> str:
        """SHA-256 of all sums; of nothing before the first vector."""
        return "" if self.belief is None else self.belief.digest()

    def _prior(self, name: str) -> dict[int, float]:
        """Declared prior means, position of the objective → scaled value."""
        prior = self.roster.record(name).arm.prior
        positions = {self.objectives.position(objective): value for objective, value in prior.items()}
        return {i: self.objectives[i].scaled(self.objectives[i].checked(value)) for i, value in positions.items()}


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**63
