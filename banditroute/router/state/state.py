"""The state of a router: a fold of its log, and nothing else."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np

from banditroute.controllers import Controller, DiscountRequest, OutcomeObserver, OutcomePrediction, check_names
from banditroute.core.arrays import FloatArray, IntArray, RowArray, from_feature_row
from banditroute.core.log import DecisionRecord, FeedbackRecord, Position, SnapshotRecord, StateKey
from banditroute.core.objectives import COST, Objectives
from banditroute.core.prediction import Prediction
from banditroute.core.spec import RouterSpec
from banditroute.errors import BanditRouteError, SnapshotCorruptError
from banditroute.learning import OutcomeModel
from banditroute.router.state import snapshot
from banditroute.router.state.arms import RETIRED, ArmCatalogue
from banditroute.router.state.sources import SourceCaps


class State:
    """What is believed, which arms there are, and how far the log was read.

    Feeding it the same records in the same order gives the same bits, whether they come from callers or from
    the log. It is not thread-safe; the router holds a lock.
    """

    def __init__(
        self,
        objectives: Objectives,
        *,
        ridge: float,
        controllers: Sequence[Controller] = (),
        source_caps: Mapping[str, float] | None = None,
    ) -> None:
        self.objectives = objectives
        self.ridge = ridge
        check_names(controllers)
        self.controllers = tuple(controllers)
        self._watchers = tuple(each for each in self.controllers if isinstance(each, OutcomeObserver))
        self._beginnings = {controller.name: controller.state() for controller in self.controllers}
        self.roster = ArmCatalogue()
        self.sources = SourceCaps(source_caps)
        self.plays: IntArray = np.zeros(0, dtype=np.int64)
        self.position = Position()
        self.belief: OutcomeModel | None = None
        self._epoch, self._in_epoch = 0, 0
        self._settled: set[str] = set()
        self._cost = objectives.names.index(COST) if COST in objectives.names else None

    def fix_dimension(self, spec: RouterSpec) -> None:
        """Start to believe, from nothing, now that the number of features is known."""
        assert spec.dimension is not None
        self.belief = OutcomeModel(self.objectives, spec.dimension, intercept=spec.intercept, ridge=self.ridge)
        self.plays = np.zeros(0, dtype=np.int64)
        self.position = Position()
        self.sources.restore({})
        self._epoch, self._in_epoch = 0, 0
        self._settled = set()
        for controller in self.controllers:
            controller.restore(self._beginnings[controller.name])

    def see_decision(self, record: DecisionRecord) -> None:
        """Count a decision."""
        self._ensure_arms(len(record.arms))
        self.position = Position(self.position.learned, self.position.decided + 1)
        if not record.arms:
            # What it was is lost; its place is not.
            self._in_epoch += 1
            return
        self.plays[self.roster.position(record.arm)] += 1
        self._settle(record)
        if record.epoch > self._epoch:
            self._epoch, self._in_epoch = record.epoch, 0
        self._in_epoch += 1
        for controller in self.controllers:
            # Not of arms that a replay knows already, but which came later.
            controller.decided(record, lambda rows: self._predict_repriced(rows, record.created_us))

    def _settle(self, record: DecisionRecord) -> None:
        """Let successors inherit from arms that this decision is the first to know as retired.

        Decisions have a place in the order of events; that arms are retired has none.
        """
        for arm, rule in record.excluded.items():
            if rule == RETIRED and arm not in self._settled:
                self._settled.add(arm)
                left = self.roster.record(arm)
                if left.n_eff and left.successor is not None:
                    assert self.belief is not None
                    self.belief.inherit(left.successor, arm, left.n_eff)

    def see_feedback(self, record: FeedbackRecord) -> None:
        """Learn one group of outcomes (or an amendment, or a retraction)."""
        assert self.belief is not None
        self.position = Position(self.position.learned + 1, self.position.decided)
        if not record.group:
            # What it said is lost; its place is not.
            self.belief.advance()
            return
        self._ensure_arms(self.roster.position(record.arm) + 1)
        if record.values is None and record.previous is None:
            # It was late, or its source had its share, or its window is open: it is kept in the log for that.
            self.belief.advance()
            return
        demands = self._watched(record)
        key = StateKey(record.arm, record.group, record.epoch)
        self.belief.learn(key, record.row, record.values, record.previous)
        self.sources.see(record)
        if demands and self._in_epoch:
            # What is decided from now on counts in full, so it goes into sums of its own.
            self._epoch, self._in_epoch = self._epoch + 1, 0
        for demand in demands:
            self.belief.shrink(demand.arm, demand.group, last=self._epoch - 1, halvings=demand.halvings)
        for controller in self.controllers:
            controller.learned(record)

    def epoch_of_next(self, ahead: int, *, length: int) -> int:
        """The epoch of the next decision but ``ahead``.

        A new one begins after ``length`` decisions, and whenever sums are shrunk.
        """
        return self._epoch + (self._in_epoch + ahead) // length

    def _watched(self, record: FeedbackRecord) -> list[DiscountRequest]:
        """What watchers demand now that they see this; a correction is no news of the arm."""
        if not self._watchers or record.revision or record.values is None:
            return []
        assert self.belief is not None
        positions = self.objectives.groups[record.group]
        names = tuple(self.objectives.names[position] for position in positions)
        predictive = OutcomePrediction(
            names, positions, *self.belief.predictive(record.arm, record.group, record.row)
        )
        return [demand for watcher in self._watchers for demand in watcher.observe(record, predictive)]

    def see(self, record: DecisionRecord | FeedbackRecord) -> None:
        """Replay one record of the log.

        Raises:
            RuntimeError: for one that was never lived: it is no caller's fault.
        """
        try:
            if isinstance(record, DecisionRecord):
                self.see_decision(record)
            else:
                self.see_feedback(record)
        except BanditRouteError as error:
            raise RuntimeError(f"the log says what was never lived: {error}") from error

    @contextmanager
    def replaying(self, end: Position) -> Iterator[None]:
        """While this lasts, records up to ``end`` are seen, and nobody but controllers asks for anything."""
        assert self.belief is not None
        if not self.controllers:
            self.belief.defer_refresh_until(end.learned)
        yield
        self.belief.defer_refresh_until(0)

    def _ensure_arms(self, count: int) -> None:
        """Begin to believe something of the first ``count`` arms.

        Arms are met when a decision or a feedback first knows of them, in life as in replay, and not when they
        are added: so the log alone determines the order of events.
        """
        if count <= len(self.plays):
            return
        assert self.belief is not None
        for name in self.roster.names[len(self.plays) : count]:
            self.belief.add_arm(name, self._prior(name))
            self.plays = np.append(self.plays, 0)

    def predict(self, row: RowArray, now_us: int) -> Prediction:
        """What is expected of all arms, dollars at today's prices; valid until the next feedback is seen."""
        self._ensure_arms(len(self.roster))
        return self._predicted(row, now_us)

    def predict_many(self, rows: RowArray, now_us: int) -> tuple[FloatArray, FloatArray]:
        """Mean and width for each row, scaled, dollars at today's prices; both (requests, arms, objectives)."""
        self._ensure_arms(len(self.roster))
        return self._predict_repriced(rows, now_us)

    def _predicted(self, row: RowArray, now_us: int) -> Prediction:
        assert self.belief is not None
        prediction = self.belief.predict(from_feature_row(row))
        factors = self._price_factors(now_us)
        if factors is not None and self._cost is not None:
            self._reprice(prediction.mean, self._cost, factors)
            prediction.scale(self._cost, factors)
        return prediction

    def _predict_repriced(self, rows: RowArray, now_us: int) -> tuple[FloatArray, FloatArray]:
        if rows.ndim == 1:
            prediction = self._predicted(rows, now_us)
            return prediction.mean, prediction.width
        assert self.belief is not None
        mean, width = self.belief.predict_many(from_feature_row(rows))
        factors = self._price_factors(now_us)
        if factors is not None and self._cost is not None:
            self._reprice(mean, self._cost, factors)
            width[..., self._cost] *= factors
        return mean, width

    def _price_factors(self, now_us: int) -> FloatArray | None:
        factors = self.roster.price_factors(now_us)
        return None if factors is None else factors[: len(self.plays)]

    def _reprice(self, mean: FloatArray, cost: int, factors: FloatArray) -> None:
        objective = self.objectives[cost]
        offset = objective.bounds[0] / objective.span
        mean[..., cost] = (mean[..., cost] + offset) * factors - offset

    @property
    def can_snapshot(self) -> bool:
        """Whether this is a place from which the log can be continued bit for bit."""
        return self.belief is not None and self.belief.just_refreshed

    def snapshot(self, *, now_us: int) -> SnapshotRecord:
        """Everything that is not in the arms' own records."""
        assert self.belief is not None
        states = {controller.name: controller.state() for controller in self.controllers}
        facts = {
            "plays": self.plays.tolist(),
            "epoch": [self._epoch, self._in_epoch],
            "fading": self.belief.fading.state(),
            "settled": sorted(self._settled),
            "sources": self.sources.state(),
            "controllers": states,
        }
        return SnapshotRecord(self.position, snapshot.encode(facts, self.belief.encode()), now_us)

    def restore(self, record: SnapshotRecord) -> None:
        """Stand where the snapshot was taken.

        Raises:
            SnapshotCorruptError: if it is damaged, or of another router; then start anew from the log.
        """
        assert self.belief is not None
        facts, sums = snapshot.decode(record.blob)
        plays, states, sources = facts.get("plays"), facts.get("controllers"), facts.get("sources")
        if not isinstance(plays, list) or len(plays) > len(self.roster) or not all(map(_is_count, plays)):
            raise SnapshotCorruptError("snapshot is of a router with other arms")
        if not isinstance(states, dict) or set(states) != set(self._beginnings):
            raise SnapshotCorruptError("snapshot is of a router with other controllers")
        if not (isinstance(sources, dict) and all(isinstance(count, int) for count in sources.values())):
            raise SnapshotCorruptError("snapshot does not say how much each source has told")
        if not {"epoch", "fading", "settled"} <= set(facts):
            raise SnapshotCorruptError("snapshot says nothing of epochs: it is of an older version")
        try:
            self._ensure_arms(len(plays))
            self.sources.restore(sources)
            self.belief.restore(sums, learned=record.position.learned, fading=facts["fading"])
            self._epoch, self._in_epoch = map(int, facts["epoch"])
            self._settled = set(map(str, facts["settled"]))
            self.plays = np.array(plays, dtype=np.int64)
            self.position = record.position
            for controller in self.controllers:
                controller.restore(states[controller.name])
        except (TypeError, ValueError, LookupError, ArithmeticError) as error:
            if isinstance(error, SnapshotCorruptError):
                raise
            raise SnapshotCorruptError(f"snapshot says what no state says ({type(error).__name__})") from None

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
