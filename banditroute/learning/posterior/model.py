"""The ridge model: exact sums, and one group posterior per objective group computed from them."""

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Any

import numpy as np

from banditroute.core.arrays import FloatArray, RowArray, from_feature_row
from banditroute.core.objectives import Objectives
from banditroute.core.prediction import LazyPrediction, Prediction
from banditroute.errors import InvalidArgumentError, SnapshotCorruptError, UnknownArmError
from banditroute.learning.base import EPOCH_REQUESTS, ArmStart, Example
from banditroute.learning.posterior.group import GroupPosterior
from banditroute.learning.sums.exact import ExactSums
from banditroute.learning.sums.table import SumsTable
from banditroute.learning.sums.weights import EvidenceWeights

REFRESH_EVERY = 4096
LIVE_EPOCHS = 4
LIVE_BYTES = 128 << 20
"""Largest memory of the sums of all live epochs, if more than one is live [bytes]; older ones are merged."""


class OutcomeModel:
    """Predicts mean and width of every arm and objective, and learns row by row.

    The sums are the state. Everything else is a cache: a function of the sums at the last refresh (a multiple of
    4,096 feedbacks) and of the rows since then, in order. A model that is restored at a refresh and learns the
    same rows therefore reaches the same bits.

    Attributes:
        table: The exact sums.
        weights: Weights with which the sums are read.
        epoch_requests: Number of decisions in an epoch.
        n_feedback: Number of feedbacks counted, including those that were not learned.
    """

    is_additive = True

    def __init__(
        self,
        objectives: Objectives,
        features: int,
        *,
        intercept: bool,
        ridge: float,
        epoch_requests: int | None = None,
    ) -> None:
        self.epoch_requests = EPOCH_REQUESTS if epoch_requests is None else epoch_requests
        self._dimension = features + intercept
        self._sizes = {group: len(positions) for group, positions in objectives.groups.items()}
        self._groups = {
            group: GroupPosterior(group, positions, self._dimension, intercept=intercept, ridge=ridge)
            for group, positions in objectives.groups.items()
        }
        self._objectives = len(objectives)
        self._ridge = ridge
        self._first = next(iter(self._groups.values()))
        # A single group holds all objectives, so its results need not be combined with others.
        self._is_whole = len(self._groups) == 1
        self._last_row: RowArray | None = None
        self._last_x: FloatArray = np.zeros(0)
        self._arms: dict[str, int] = {}
        self._noises: list[FloatArray | None] = [None] * len(self._groups)
        self._noise_matrix = np.zeros((len(self._groups), self._objectives))
        self._epoch = 0
        self._refresh_deferred_until = 0
        self.table = SumsTable(self._dimension, self._sizes)
        self.weights = EvidenceWeights()
        self.n_feedback = 0

    def add_arms(self, starts: Mapping[str, ArmStart]) -> None:
        """Add arms without rows."""
        self._arms |= {name: len(self._arms) + index for index, name in enumerate(starts)}
        for group in self._groups.values():
            group.add_arms([start.prior for start in starts.values()])

    def predict(self, row: RowArray) -> Prediction:
        """Return scaled mean and standard width σ̂·‖x‖_{V⁻¹} of every arm and objective, for one context.

        The prediction is valid until the next row is learned. With many arms and features, it computes only the
        widths that are requested.
        """
        x = self._features(row)
        if self._first.posterior.is_lazy:
            return self._predict_lazily(x)
        if self._is_whole:
            mean, leverages = self._first.posterior.predict(x)
            return Prediction(mean, np.sqrt(leverages)[:, np.newaxis], self._first.noise)
        mean = np.empty((len(self._arms), self._objectives))
        roots = np.empty((len(self._arms), len(self._groups)))
        for g, group in enumerate(self._groups.values()):
            mean[:, group.columns], roots[:, g] = group.posterior.predict(x)
        return Prediction(mean, np.sqrt(roots, out=roots), self._noise_by_group())

    def _features(self, row: RowArray) -> FloatArray:
        """Return the row as features. The last row is cached: it is often learned right after the decision."""
        if row is not self._last_row:
            self._last_row, self._last_x = row, from_feature_row(row)
        return self._last_x

    def _predict_lazily(self, x: FloatArray) -> Prediction:
        mean = np.empty((len(self._arms), self._objectives))
        for group in self._groups.values():
            mean[:, group.columns] = group.posterior.means(x)
        leverages = [group.posterior.leverages(x) for group in self._groups.values()]

        def roots(arms: Sequence[int] | None) -> FloatArray:
            found = np.empty((len(self._arms) if arms is None else len(arms), len(leverages)))
            for g, compute in enumerate(leverages):
                found[:, g] = compute(arms)
            return np.sqrt(found, out=found)

        # V is at least λI, so no leverage exceeds |x|² / λ.
        limit = sqrt(float(x.dot(x)) / self._ridge)
        return LazyPrediction(mean, limit, self._noise_by_group(), roots)

    def _noise_by_group(self) -> FloatArray:
        """Return σ̂ of each objective in the row of its group, 0 in the others; shape (groups, objectives)."""
        if self._is_whole:
            return self._first.noise
        for g, group in enumerate(self._groups.values()):
            # Groups replace their noise array and never write into it, so the same array has the same numbers.
            if group.noise is not self._noises[g]:
                self._noises[g] = group.noise
                # Copied, because earlier predictions refer to the old matrix.
                self._noise_matrix = self._noise_matrix.copy()
                self._noise_matrix[g, group.columns] = group.noise
        return self._noise_matrix

    def predict_many(self, rows: RowArray) -> tuple[FloatArray, FloatArray]:
        """Predict each row, exactly: mean and width, both of shape (requests, arms, objectives)."""
        X = from_feature_row(rows)
        if self._is_whole:
            return self._first.predict_many(X)
        shape = (len(X), len(self._arms), self._objectives)
        mean, width = np.empty(shape), np.empty(shape)
        for group in self._groups.values():
            mean[..., group.columns], width[..., group.columns] = group.predict_many(X)
        return mean, width

    def expect(self, decision_key: bytes, arm: str, row: RowArray) -> None:
        """Do nothing: a pending outcome does not change this model."""

    def learn(self, example: Example) -> None:
        """Learn a row; replace its values if there are previous ones; subtract the row if there are no new values.

        Raises:
            UnknownArmError: for an arm that was never added.
        """
        key, row, values, previous = example.key, example.row, example.values, example.previous
        if key.arm not in self._arms:
            raise UnknownArmError(f"unknown arm {key.arm!r}; this model has: {', '.join(self._arms)}")
        group, arm = self._groups[key.group], self._arms[key.arm]
        if previous is None:
            assert values is not None
            self.table.add(key, row, values)
            if self.weights.halvings(key):
                self._rebuild(key.arm, key.group)
            elif self.n_feedback >= self._refresh_deferred_until:
                group.observe(arm, self._features(row), row, values)
        else:
            if values is None:
                self.table.subtract(key, row, previous)
            else:
                self.table.amend(key, row, previous, values)
            self._rebuild(key.arm, key.group)
        if key.epoch > self._epoch:
            self._epoch = key.epoch
            oldest = key.epoch - self._live_epochs() + 1
            self.table.merge_epochs(before=oldest, into=self.weights.first_epoch_with_same_weight)
        self.advance()

    def _live_epochs(self) -> int:
        """Return how many epochs have sums of their own: fewer where the sums of one are large."""
        triangle = self._dimension * (self._dimension + 1) // 2 * 8
        return min(LIVE_EPOCHS, max(1, LIVE_BYTES // (triangle * len(self._arms) * len(self._groups))))

    def advance(self) -> None:
        """Count a feedback, learned or not: refreshes happen at fixed positions of the log."""
        self.n_feedback += 1
        if not self.n_feedback % REFRESH_EVERY and self.n_feedback >= self._refresh_deferred_until:
            self._refresh()

    def defer_refresh_until(self, n_feedback: int) -> None:
        """Update only the sums until the last refresh before ``n_feedback`` feedbacks; 0 ends this at once.

        This speeds up a replay that reads no prediction before then: a refresh needs only the sums.
        """
        was_deferred = self.n_feedback < self._refresh_deferred_until
        self._refresh_deferred_until = n_feedback - n_feedback % REFRESH_EVERY
        if was_deferred and self.n_feedback >= self._refresh_deferred_until:
            self._refresh()

    def predictive(self, arm: str, group: str, row: RowArray) -> tuple[FloatArray, FloatArray]:
        """Return scaled mean and standard deviation of an arm's next outcomes of one group; both of shape (m,)."""
        return self._groups[group].predictive(self._arms[arm], from_feature_row(row))

    def discount(self, arm: str, group: str, *, last: int, halvings: int) -> None:
        """Multiply by 2⁻ʰ, h = ``halvings``, the weight of an arm's rows of one group up to epoch ``last``."""
        self.weights.discount(arm, group, last=last, times=halvings)
        self._rebuild(arm, group)

    def inherit(self, successor: str, predecessor: str, rows: int) -> None:
        """Let an arm start from the rows of another one, with the weight of at most about ``rows`` rows."""
        for group in self._groups:
            found = self.weights.total(self.table, predecessor, group).n
            halvings = (max(-(-found // rows), 1) - 1).bit_length()
            self.weights.inherit(successor, predecessor, group, halvings=halvings)
            self._rebuild(successor, group)

    @property
    def just_refreshed(self) -> bool:
        """Whether the cache has just been rebuilt from the sums."""
        return self.n_feedback > 0 and self.n_feedback % REFRESH_EVERY == 0

    def counts(self, group: str) -> FloatArray:
        """Return each arm's number of rows of this group; shape (arms,)."""
        return self._groups[group].counts()

    def noise(self) -> FloatArray:
        """Return σ̂ of every objective, scaled; shape (objectives,)."""
        noise = np.empty(self._objectives)
        for group in self._groups.values():
            noise[group.columns] = group.noise
        return noise

    def digest(self) -> str:
        """Return the SHA-256 of the sums: equal for the same examples in any order."""
        return self.table.digest()

    def state(self) -> tuple[Mapping[str, Any], bytes]:
        """Return the weights, and the sums as bytes."""
        return self.weights.state(), self.table.encode()

    def restore(self, facts: Mapping[str, Any], blob: bytes, *, n_feedback: int) -> None:
        """Continue from encoded sums and their weights.

        Raises:
            SnapshotCorruptError: if they are damaged, of another shape, or not sums of rows; the model must then
                be discarded.
        """
        table = SumsTable.decode(blob)
        if (table.dimension, dict(table.groups)) != (self._dimension, self._sizes):
            raise SnapshotCorruptError("sums are of another dimension or other objective groups")
        unknown = {key.arm for key in table.keys} - set(self._arms)
        if unknown:
            raise SnapshotCorruptError(f"sums are of arms that this router does not have: {', '.join(unknown)}")
        for arm, group in {key[:2] for key in table.keys}:
            if not table.totals(arm, group).are_of_rows():
                raise SnapshotCorruptError(
                    f"sums of arm {arm!r}, group {group!r} are not a valid Gram matrix (corrupt data)"
                )
        self.table = table
        self.weights.restore(facts)
        self.n_feedback = n_feedback
        self._epoch = max((key.epoch for key in table.keys), default=0)
        try:
            self._refresh()
        except (InvalidArgumentError, np.linalg.LinAlgError) as error:
            raise SnapshotCorruptError(f"sums are not a valid Gram matrix (corrupt data): {error}") from None

    def _rebuild(self, arm: str, group: str) -> None:
        """Rebuild one arm, by one factorisation."""
        if self.n_feedback < self._refresh_deferred_until:
            return
        self._groups[group].rebuild(self._arms[arm], self._total(arm, group), self._pooled(group))

    def _refresh(self) -> None:
        for name, group in self._groups.items():
            group.refresh([self._total(arm, name) for arm in self._arms], self._pooled(name))

    def _total(self, arm: str, group: str) -> ExactSums:
        return self.weights.total(self.table, arm, group)

    def _pooled(self, group: str) -> ExactSums:
        return self.weights.pooled(self.table, group)
