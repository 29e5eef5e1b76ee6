"""What a router believes of its arms: one group posterior for each objective group, over exact sums."""

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Any

import numpy as np

from banditroute.core.arrays import FloatArray, RowArray, from_feature_row
from banditroute.core.log import StateKey
from banditroute.core.objectives import Objectives
from banditroute.core.prediction import LazyPrediction, Prediction
from banditroute.errors import InvalidArgumentError, SnapshotCorruptError
from banditroute.learning.posterior.group import GroupPosterior
from banditroute.learning.sums.exact import ExactSums
from banditroute.learning.sums.table import SumsTable
from banditroute.learning.sums.weights import EvidenceWeights

REFRESH_EVERY = 4096
LIVE_EPOCHS = 32


class OutcomeModel:
    """Means and widths of every arm and objective, learned row by row.

    The sums are the state. Everything else is a cache which is a function of the sums at the last refresh (a
    multiple of 4,096 feedbacks) and of the rows since, in order: a belief that is restored there and shown the
    same rows ends at the same bits.

    Attributes:
        table: The exact sums.
        fading: With which weights they are read.
        learned: How many feedbacks were counted, those that nothing was learned from too.
    """

    def __init__(self, objectives: Objectives, features: int, *, intercept: bool, ridge: float) -> None:
        self._dimension = features + intercept
        self._sizes = {group: len(positions) for group, positions in objectives.groups.items()}
        self._groups = {
            group: GroupPosterior(group, positions, self._dimension, intercept=intercept, ridge=ridge)
            for group, positions in objectives.groups.items()
        }
        self._objectives = len(objectives)
        self._ridge = ridge
        self._first = next(iter(self._groups.values()))
        # A group of all objectives has nothing to be put together.
        self._is_whole = len(self._groups) == 1
        self._arms: dict[str, int] = {}
        self._epoch = 0
        self._refresh_deferred_until = 0
        self.table = SumsTable(self._dimension, self._sizes)
        self.fading = EvidenceWeights()
        self.learned = 0

    def add_arm(self, name: str, prior: Mapping[int, float]) -> None:
        """Add an arm that nothing was learned of; ``prior`` is position of the objective → scaled mean."""
        self._arms[name] = len(self._arms)
        for group in self._groups.values():
            group.add_arm(prior)

    def predict(self, x: FloatArray) -> Prediction:
        """Scaled mean and one standard width σ̂·‖x‖_{V⁻¹} of every arm and objective, for x of shape (d,).

        Valid until the next row is learned; where there are many arms and features, its widths are worked out
        only as far as they are asked for.
        """
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

    def _predict_lazily(self, x: FloatArray) -> Prediction:
        mean = np.empty((len(self._arms), self._objectives))
        for group in self._groups.values():
            mean[:, group.columns] = group.posterior.means(x)
        leverages = [group.posterior.leverages(x) for group in self._groups.values()]

        def roots(arms: Sequence[int] | None) -> FloatArray:
            found = np.empty((len(self._arms) if arms is None else len(arms), len(leverages)))
            for g, work_out in enumerate(leverages):
                found[:, g] = work_out(arms)
            return np.sqrt(found, out=found)

        # For V is at least λI.
        limit = sqrt(float(x.dot(x)) / self._ridge)
        return LazyPrediction(mean, limit, self._noise_by_group(), roots)

    def _noise_by_group(self) -> FloatArray:
        """σ̂ of each objective in the row of its group, 0 in the others; shape (groups, objectives)."""
        if self._is_whole:
            return self._first.noise
        noise = np.zeros((len(self._groups), self._objectives))
        for g, group in enumerate(self._groups.values()):
            noise[g, group.columns] = group.noise
        return noise

    def predict_many(self, X: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The same for each row of X, shape (requests, d), exactly: both of shape (requests, arms, objectives)."""
        if self._is_whole:
            return self._first.predict_many(X)
        shape = (len(X), len(self._arms), self._objectives)
        mean, width = np.empty(shape), np.empty(shape)
        for group in self._groups.values():
            mean[..., group.columns], width[..., group.columns] = group.predict_many(X)
        return mean, width

    def learn(
        self, key: StateKey, row: RowArray, values: tuple[int, ...] | None, previous: tuple[int, ...] | None
    ) -> None:
        """Learn a row; or amend it, where there are previous values; or take it out, where there are no new ones.

        Raises:
            UnknownArmError: for an arm that was never added.
        """
        group, arm = self._groups[key.group], self._arms[key.arm]
        if previous is None:
            assert values is not None
            self.table.add(key, row, values)
            if self.fading.halvings(key):
                self._rebuild(key.arm, key.group)
            elif self.learned >= self._refresh_deferred_until:
                group.observe(arm, row, values)
        else:
            if values is None:
                self.table.subtract(key, row, previous)
            else:
                self.table.amend(key, row, previous, values)
            self._rebuild(key.arm, key.group)
        if key.epoch > self._epoch:
            self._epoch = key.epoch
            self.table.merge_epochs(
                before=key.epoch - LIVE_EPOCHS + 1, into=self.fading.first_epoch_with_same_weight
            )
        self.advance()

    def advance(self) -> None:
        """Count a feedback, also one that nothing is learned from: refreshes lie at places of the log."""
        self.learned += 1
        if not self.learned % REFRESH_EVERY and self.learned >= self._refresh_deferred_until:
            self._refresh()

    def defer_refresh_until(self, learned: int) -> None:
        """Learn into the sums alone up to the last refresh before so many feedbacks; 0 ends that at once.

        For a replay in which nobody reads anything before it: a refresh needs nothing but the sums.
        """
        rested = self.learned < self._refresh_deferred_until
        self._refresh_deferred_until = learned - learned % REFRESH_EVERY
        if rested and self.learned >= self._refresh_deferred_until:
            self._refresh()

    def predictive(self, arm: str, group: str, row: RowArray) -> tuple[FloatArray, FloatArray]:
        """Mean and standard deviation, scaled, of what an arm's next outcomes of one group will be; shape (m,)."""
        return self._groups[group].predictive(self._arms[arm], from_feature_row(row))

    def shrink(self, arm: str, group: str, *, last: int, halvings: int) -> None:
        """Let what an arm showed in one group, up to epoch ``last``, count for 2⁻ʰ of what it did."""
        self.fading.discount(arm, group, last=last, times=halvings)
        self._rebuild(arm, group)

    def inherit(self, successor: str, predecessor: str, rows: int) -> None:
        """Let an arm start as if about ``rows`` rows of another one, and at most those, were its own."""
        for group in self._groups:
            found = self.fading.total(self.table, predecessor, group).n
            halvings = (max(-(-found // rows), 1) - 1).bit_length()
            self.fading.inherit(successor, predecessor, group, halvings=halvings)
            self._rebuild(successor, group)

    @property
    def just_refreshed(self) -> bool:
        """Whether every cache has just been made anew from the sums."""
        return self.learned > 0 and self.learned % REFRESH_EVERY == 0

    def counts(self, group: str) -> FloatArray:
        """How many rows of this group each arm has; shape (arms,)."""
        return self._groups[group].counts()

    def noise(self) -> FloatArray:
        """σ̂ of every objective, scaled; shape (objectives,)."""
        noise = np.empty(self._objectives)
        for group in self._groups.values():
            noise[group.columns] = group.noise
        return noise

    def digest(self) -> str:
        """SHA-256 of the sums: equal wherever the same was learned, in any order."""
        return self.table.digest()

    def encode(self) -> bytes:
        """The sums as bytes; with the fading, and only where :attr:`just_refreshed`, they say everything."""
        return self.table.encode()

    def restore(self, blob: bytes, *, learned: int, fading: Mapping[str, Any]) -> None:
        """Continue from encoded sums and the state of the fading.

        Raises:
            SnapshotCorruptError: if they are damaged, of another shape, or those of no rows. What was believed
                before may be gone then: start anew.
        """
        table = SumsTable.decode(blob)
        if (table.dimension, dict(table.groups)) != (self._dimension, self._sizes):
            raise SnapshotCorruptError("sums are of another dimension or other objective groups")
        strangers = {key.arm for key in table.keys} - set(self._arms)
        if strangers:
            raise SnapshotCorruptError(f"sums are of arms that this router does not have: {', '.join(strangers)}")
        for arm, group in {key[:2] for key in table.keys}:
            if not table.totals(arm, group).are_of_rows():
                raise SnapshotCorruptError(f"sums of arm {arm!r} and group {group!r} are those of no rows")
        self.table = table
        self.fading.restore(fading)
        self.learned = learned
        self._epoch = max((key.epoch for key in table.keys), default=0)
        try:
            self._refresh()
        except (InvalidArgumentError, np.linalg.LinAlgError) as error:
            raise SnapshotCorruptError(f"sums are those of no rows: {error}") from None

    def _rebuild(self, arm: str, group: str) -> None:
        """Make one arm anew; costs a factorisation."""
        if self.learned < self._refresh_deferred_until:
            return
        self._groups[group].rebuild(self._arms[arm], self._total(arm, group), self._pooled(group))

    def _refresh(self) -> None:
        for name, group in self._groups.items():
            group.refresh([self._total(arm, name) for arm in self._arms], self._pooled(name))

    def _total(self, arm: str, group: str) -> ExactSums:
        return self.fading.total(self.table, arm, group)

    def _pooled(self, group: str) -> ExactSums:
        return self.fading.pooled(self.table, group)
