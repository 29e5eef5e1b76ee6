"""The state of a router: a function of its log only."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy, deepcopy
from typing import Any

import numpy as np

from banditroute.controllers import (
    Controller,
    DiscountRequest,
    OutcomeObserver,
    OutcomePrediction,
    checked_controllers,
)
from banditroute.core.arrays import FloatArray, IntArray, RowArray
from banditroute.core.log import DecisionRecord, FeedbackRecord, Position, SnapshotRecord, StateKey
from banditroute.core.objectives import COST, Objectives
from banditroute.core.outcomes import beyond_limit
from banditroute.core.prediction import Prediction
from banditroute.core.spec import RouterSpec
from banditroute.errors import BanditRouteError, SnapshotCorruptError
from banditroute.learning import ArmStart, Example, Model
from banditroute.policies.base import Policy, model_of
from banditroute.router.state import snapshot
from banditroute.router.state.arms import RETIRED, ArmCatalogue
from banditroute.router.state.counts import OutcomeCounts
from banditroute.router.state.sources import SourceCaps


class State:
    """The learned model, the arms, and the position in the log.

    Applying the same records in the same order gives the same bits, whether they come from callers or from the
    log. It is not thread-safe; the router holds a lock.

    Attributes:
        arms: The router's arms and their prices.
        sources: Caps on the feedback learned from each source.
        plays: Number of times that each arm was chosen; shape (arms,).
        counts: Number of learned outcomes of each arm.
        model: The model that predicts outcomes; None until the number of features is known.
        beyond_limit: Objective → number of reports beyond its limit, which were not learned, since the opening.
    """

    def __init__(
        self,
        objectives: Objectives,
        policy: Policy,
        *,
        controllers: Sequence[Controller] = (),
        source_caps: Mapping[str, float] | None = None,
    ) -> None:
        self.objectives = objectives
        self.controllers = checked_controllers(controllers)
        self._policy = policy
        self._observers = tuple(each for each in self.controllers if isinstance(each, OutcomeObserver))
        self._first_states = {controller.name: controller.state() for controller in self.controllers}
        self.arms = ArmCatalogue()
        self.sources = SourceCaps({} if source_caps is None else source_caps)
        self.plays: IntArray = np.zeros(0, dtype=np.int64)
        self.counts = OutcomeCounts(objectives)
        self.position = Position()
        self.model: Model | None = None
        self.beyond_limit: Counter[str] = Counter()
        self._epoch, self._in_epoch = 0, 0
        self._inherited: set[str] = set()
        self._cost = objectives.names.index(COST) if COST in objectives.names else None

    def fix_dimension(self, spec: RouterSpec) -> None:
        """Start with a new model, now that the number of features is known."""
        assert spec.dimension is not None
        self.model = model_of(self._policy, self.objectives, spec.dimension, intercept=spec.intercept)
        self.plays = np.zeros(0, dtype=np.int64)
        self.counts.clear()
        self.position = Position()
        self.sources.restore({})
        self._epoch, self._in_epoch = 0, 0
        self._inherited = set()
        for controller in self.controllers:
            controller.restore(self._first_states[controller.name])

    @property
    def position(self) -> Position:
        """Numbers of feedbacks and decisions applied."""
        return Position(self._n_feedback, self._n_decisions)

    @position.setter
    def position(self, position: Position) -> None:
        self._n_feedback, self._n_decisions = position

    # ------------------------------------------------------------------------------------------------ decisions

    def apply_decision(self, record: DecisionRecord) -> None:
        """Count a decision, and pass it to the controllers."""
        if not record.arms:
            # An unreadable row has a position in the log and no content.
            self._n_decisions += 1
            self._in_epoch += 1
            return
        self._ensure_arms(len(record.arms))
        self.count_decision(
            self.arms.position(record.arm), record.row, record.decision_key, record.epoch, record.excluded
        )
        for controller in self.controllers:
            # Only arms that existed at this decision are predicted; a replay has later arms in the catalogue
            # already.
            controller.decided(record, lambda rows: self._predict_repriced(rows, record.created_us))

    def count_decision(
        self, arm: int, row: RowArray, decision_key: bytes, epoch: int, excluded: Mapping[str, str]
    ) -> None:
        """Count that the arm with this index was chosen; updates everything except the controllers."""
        assert self.model is not None
        self._n_decisions += 1
        self.plays[arm] += 1
        if excluded:
            self._apply_inheritance(excluded)
        if epoch > self._epoch:
            self._epoch, self._in_epoch = epoch, 0
        self._in_epoch += 1
        self.model.expect(decision_key, self.arms.names[arm], row)

    def next_epoch(self) -> int:
        """Return the epoch of the next decision; an epoch ends when it is full, and at a discount."""
        assert self.model is not None
        return self._epoch + self._in_epoch // self.model.epoch_requests

    def _apply_inheritance(self, excluded: Mapping[str, str]) -> None:
        """Let successors inherit from arms that this decision is the first to exclude as retired.

        Decisions have a position in the log, changes of an arm's status have none; so the first decision
        afterwards determines when the inheritance happens.
        """
        for arm, rule in excluded.items():
            if rule == RETIRED and arm not in self._inherited:
                self._inherited.add(arm)
                record = self.arms.record(arm)
                if record.n_eff and record.successor is not None:
                    assert self.model is not None
                    self.model.inherit(record.successor, arm, record.n_eff)

    # ------------------------------------------------------------------------------------------------- feedback

    def apply_feedback(self, record: FeedbackRecord) -> None:
        """Learn one group of outcomes (or an amendment, or a retraction), and pass it to the controllers."""
        if record.group and (record.values is not None or record.previous is not None):
            self._ensure_arms(self.arms.position(record.arm) + 1)
            requests = self._observed(record)
            example = Example(
                StateKey(record.arm, record.group, record.epoch),
                record.row,
                record.values,
                record.previous,
                record.decision_key,
            )
            self.learn(example, source=record.source)
            self._discount(requests)
            for controller in self.controllers:
                controller.learned(record)
            return
        if record.group:
            self._ensure_arms(self.arms.position(record.arm) + 1)
            for name in beyond_limit(self.objectives, record.outcomes):
                self.beyond_limit[name] += 1
        self.skip()

    def skip(self) -> None:
        """Count a feedback that is not learned.

        It is unreadable, late, beyond a limit, above the cap of its source, or held back until its window closes.
        """
        assert self.model is not None
        self._n_feedback += 1
        self.model.advance()

    def learn(self, example: Example, *, source: str | None = None) -> None:
        """Learn an example; updates everything except the controllers."""
        assert self.model is not None
        self._n_feedback += 1
        self.model.learn(example)
        self.counts.learn(self.arms.position(example.key.arm), example.key.group, example.values, example.previous)
        self.sources.count(source, (example.values is not None) - (example.previous is not None))

    def _observed(self, record: FeedbackRecord) -> Sequence[DiscountRequest]:
        """Return the discounts that observers request after an outcome; they do not see corrections."""
        if not self._observers or record.revision or record.values is None:
            return ()
        assert self.model is not None
        positions = self.objectives.groups[record.group]
        names = tuple(self.objectives.names[position] for position in positions)
        predictive = self.model.predictive(record.arm, record.group, record.row)
        prediction = OutcomePrediction(names, positions, *predictive)
        return [request for observer in self._observers for request in observer.observe(record, prediction)]

    def _discount(self, requests: Sequence[DiscountRequest]) -> None:
        if requests and self._in_epoch:
            # Later decisions keep their full weight, so they need an epoch of their own.
            self._epoch, self._in_epoch = self._epoch + 1, 0
        for request in requests:
            assert self.model is not None
            self.model.discount(request.arm, request.group, last=self._epoch - 1, halvings=request.halvings)

    # ---------------------------------------------------------------------------------------------------- replay

    def apply(self, record: DecisionRecord | FeedbackRecord) -> None:
        """Apply one record of the log.

        Raises:
            RuntimeError: for a record that this router cannot have produced (corrupt log).
        """
        try:
            if isinstance(record, DecisionRecord):
                self.apply_decision(record)
            else:
                self.apply_feedback(record)
        except BanditRouteError as error:
            raise RuntimeError(f"the log is inconsistent with this router: {error}") from error

    @contextmanager
    def replaying(self, end: Position) -> Iterator[None]:
        """Defer refreshes of the model while records up to ``end`` are applied, if there are no controllers."""
        assert self.model is not None
        if not self.controllers:
            self.model.defer_refresh_until(end.n_feedback)
        yield
        self.model.defer_refresh_until(0)

    def _ensure_arms(self, count: int) -> None:
        """Add the first ``count`` arms to the model.

        An arm is added to the model by the first decision or feedback that refers to it, and not when it is added
        to the catalogue. The order of events is then the same on the live path and in a replay of the log.
        """
        if count <= len(self.plays):
            return
        assert self.model is not None
        self.model.add_arms(
            {name: ArmStart(self._prior(name)) for name in self.arms.names[len(self.plays) : count]}
        )
        self.counts.add_arms(count - len(self.plays))
        self.plays = np.append(self.plays, np.zeros(count - len(self.plays), dtype=np.int64))

    def with_all_arms(self) -> "State":
        """Return a state that has all arms in its model: itself or, if an arm is missing, a copy.

        A preview needs it: the first decision or feedback of a new arm must find a model without it.
        """
        if len(self.plays) == len(self.arms):
            return self
        other = copy(self)
        other.model, other.counts = deepcopy(self.model), deepcopy(self.counts)
        other._ensure_arms(len(self.arms))
        return other

    def _prior(self, name: str) -> dict[int, float]:
        """Return the declared prior means: position of the objective → scaled value."""
        prior = self.arms.record(name).arm.prior
        if not prior:
            return {}
        positions = {self.objectives.position(objective): value for objective, value in prior.items()}
        return {i: self.objectives[i].scaled(self.objectives[i].checked(value)) for i, value in positions.items()}

    # ----------------------------------------------------------------------------------------------- predictions

    def predict(self, row: RowArray, now_us: int) -> Prediction:
        """Predict all arms, with cost at current prices; valid until the next feedback is applied."""
        self._ensure_arms(len(self.arms))
        return self._repriced(row, now_us)

    def predict_many(self, rows: RowArray, now_us: int) -> tuple[FloatArray, FloatArray]:
        """Return scaled mean and width for each row, cost at current prices; both (requests, arms, objectives)."""
        self._ensure_arms(len(self.arms))
        return self._predict_repriced(rows, now_us)

    def _repriced(self, row: RowArray, now_us: int) -> Prediction:
        assert self.model is not None
        prediction = self.model.predict(row)
        factors = self._price_factors(now_us)
        if factors is not None and self._cost is not None:
            self._reprice(prediction.mean, self._cost, factors)
            prediction.scale(self._cost, factors)
        return prediction

    def _predict_repriced(self, rows: RowArray, now_us: int) -> tuple[FloatArray, FloatArray]:
        if rows.ndim == 1:
            prediction = self._repriced(rows, now_us)
            return prediction.mean, prediction.width
        assert self.model is not None
        mean, width = self.model.predict_many(rows)
        factors = self._price_factors(now_us)
        if factors is not None and self._cost is not None:
            self._reprice(mean, self._cost, factors)
            width[..., self._cost] *= factors
        return mean, width

    def _price_factors(self, now_us: int) -> FloatArray | None:
        factors = self.arms.price_factors(now_us)
        return None if factors is None else factors[: len(self.plays)]

    def _reprice(self, mean: FloatArray, cost: int, factors: FloatArray) -> None:
        objective = self.objectives[cost]
        offset = objective.bounds[0] / objective.span
        mean[..., cost] = (mean[..., cost] + offset) * factors - offset

    # ------------------------------------------------------------------------------------------------- snapshots

    @property
    def can_snapshot(self) -> bool:
        """Whether a snapshot taken now continues with the same bits as the log."""
        return self.model is not None and self.model.just_refreshed

    def snapshot(self, *, now_us: int) -> SnapshotRecord:
        """Return a snapshot of everything outside the arm records."""
        assert self.model is not None
        facts, blob = self.model.state()
        return SnapshotRecord(
            self.position,
            snapshot.encode(
                {
                    "plays": self.plays.tolist(),
                    "counts": self.counts.state(),
                    "epoch": [self._epoch, self._in_epoch],
                    "fading": facts,
                    "settled": sorted(self._inherited),
                    "sources": self.sources.state(),
                    "controllers": {controller.name: controller.state() for controller in self.controllers},
                },
                blob,
            ),
            now_us,
        )

    def restore(self, record: SnapshotRecord) -> None:
        """Continue from a snapshot.

        Raises:
            SnapshotCorruptError: if it is damaged, or from another router; the caller then replays the log.
        """
        assert self.model is not None
        facts, blob = snapshot.decode(record.blob)
        plays, states, sources = facts.get("plays"), facts.get("controllers"), facts.get("sources")
        if not isinstance(plays, list) or len(plays) > len(self.arms) or not all(map(_is_count, plays)):
            raise SnapshotCorruptError("snapshot is of a router with other arms")
        if not isinstance(states, dict) or set(states) != set(self._first_states):
            raise SnapshotCorruptError("snapshot is of a router with other controllers")
        if not (isinstance(sources, dict) and all(isinstance(count, int) for count in sources.values())):
            raise SnapshotCorruptError("snapshot does not say how much each source has taught")
        if not {"epoch", "fading", "settled"} <= set(facts):
            raise SnapshotCorruptError("snapshot says nothing of epochs: it is of an older version")
        try:
            self._ensure_arms(len(plays))
            self.sources.restore(sources)
            self.model.restore(facts["fading"], blob, n_feedback=record.position.n_feedback)
            self._epoch, self._in_epoch = map(int, facts["epoch"])
            self._inherited = set(map(str, facts["settled"]))
            self.plays = np.array(plays, dtype=np.int64)
            self._restore_counts(facts.get("counts"))
            self.position = record.position
            for controller in self.controllers:
                controller.restore(states[controller.name])
        except (TypeError, ValueError, LookupError, ArithmeticError) as error:
            if isinstance(error, SnapshotCorruptError):
                raise
            raise SnapshotCorruptError(f"snapshot has an impossible content ({type(error).__name__})") from None

    def _restore_counts(self, counts: Mapping[str, Any] | None) -> None:
        """Restore the counts of outcomes; a snapshot of an earlier release has only those of the model."""
        assert self.model is not None
        if counts is None:
            known = {group: self.model.counts(group).astype(int).tolist() for group in self.counts.known}
            counts = {"known": known, "costs": [[0, 0, 0]] * len(self.plays)}
        self.counts.restore(counts)

    def digest(self) -> str:
        """Return the SHA-256 of everything learned; empty before the first vector."""
        return "" if self.model is None else self.model.digest()


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**63
