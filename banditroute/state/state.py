"""The state of a router: a fold of its log, and nothing else."""

import numpy as np

from banditroute.arrays import FloatArray, IntArray, RowArray, from_feature_row
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

    def __init__(self, objectives: Objectives, *, ridge: float) -> None:
        self.objectives = objectives
        self.ridge = ridge
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

    def see_decision(self, record: DecisionRecord) -> None:
        """Count a decision."""
        self._meet(len(record.arms))
        self.position = Position(self.position.learned, record.decided)
        self.plays[self.roster.position(record.arm)] += 1

    def see_feedback(self, record: FeedbackRecord) -> None:
        """Learn one group of outcomes (or an amendment, or a retraction)."""
        assert self.belief is not None
        self._meet(self.roster.position(record.arm) + 1)
        key = StateKey(record.arm, record.group, record.epoch)
        self.belief.learn(key, record.row, record.values, record.previous)
        self.position = Position(record.learned, self.position.decided)

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
        assert self.belief is not None
        self._meet(len(self.roster))
        mean, width = self.belief.predict(from_feature_row(row))
        factors = self.roster.price_factors(now_us)
        if factors is not None and self._cost is not None:
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
        facts = {"plays": self.plays.tolist()}
        return SnapshotRecord(self.position, snapshot.encode(facts, self.belief.encode()), now_us)

    def restore(self, record: SnapshotRecord) -> None:
        """Stand where the snapshot was taken.

        Raises:
            SnapshotCorruptError: if it is damaged, or of another router; then start anew from the log.
        """
        assert self.belief is not None
        facts, sums = snapshot.decode(record.blob)
        plays = facts.get("plays")
        if not isinstance(plays, list) or len(plays) > len(self.roster):
            raise SnapshotCorruptError("snapshot is of a router with other arms")
        self._meet(len(plays))
        self.belief.restore(sums, learned=record.position.learned)
        self.plays = np.array(plays, dtype=np.int64)
        self.position = record.position

    def digest(self) -> str:
        """SHA-256 of all sums; of nothing before the first vector."""
        return "" if self.belief is None else self.belief.digest()

    def _prior(self, name: str) -> dict[int, float]:
        """Declared prior means, position of the objective → scaled value."""
        prior = self.roster.record(name).arm.prior
        positions = {self.objectives.position(objective): value for objective, value in prior.items()}
        return {i: self.objectives[i].scaled(self.objectives[i].checked(value)) for i, value in positions.items()}
