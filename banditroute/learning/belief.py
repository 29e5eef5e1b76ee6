"""What a router believes of its arms: one group posterior for each objective group, over exact sums."""

from collections.abc import Mapping

import numpy as np

from banditroute.arrays import FloatArray, RowArray
from banditroute.errors import InvalidArgumentError, SnapshotCorruptError
from banditroute.learning.group import GroupBelief
from banditroute.learning.statistics import Statistics
from banditroute.objectives import Objectives
from banditroute.records import StateKey

REFRESH_EVERY = 4096
LIVE_EPOCHS = 32


class Belief:
    """Means and widths of every arm and objective, learned row by row.

    The sums are the state. Everything else is a cache which is a function of the sums at the last refresh (a
    multiple of 4,096 feedbacks) and of the rows since, in order: a belief that is restored there and shown the
    same rows ends at the same bits.

    Attributes:
        statistics: The exact sums.
        learned: How many feedbacks were learned.
    """

    def __init__(self, objectives: Objectives, features: int, *, intercept: bool, ridge: float) -> None:
        self._dimension = features + intercept
        self._sizes = {group: len(positions) for group, positions in objectives.groups.items()}
        self._groups = {
            group: GroupBelief(group, positions, self._dimension, intercept=intercept, ridge=ridge)
            for group, positions in objectives.groups.items()
        }
        self._objectives = len(objectives)
        # A group of all objectives has nothing to be put together.
        self._whole = next(iter(self._groups.values())) if len(self._groups) == 1 else None
        self._arms: dict[str, int] = {}
        self._epoch = 0
        self.statistics = Statistics(self._dimension, self._sizes)
        self.learned = 0

    def add_arm(self, name: str, prior: Mapping[int, float]) -> None:
        """Add an arm that nothing was learned of; ``prior`` is position of the objective → scaled mean."""
        self._arms[name] = len(self._arms)
        for group in self._groups.values():
            group.add_arm(prior)

    def predict(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Scaled mean and one standard width σ̂·‖x‖_{V⁻¹} of every arm and objective.

        ``x`` has shape (d,) or (requests, d); both results have shape (..., arms, objectives).
        """
        if self._whole is not None:
            return self._whole.predict(x)
        shape = (*x.shape[:-1], len(self._arms), self._objectives)
        mean, width = np.empty(shape), np.empty(shape)
        for group in self._groups.values():
            mean[..., group.columns], width[..., group.columns] = group.predict(x)
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
            self.statistics.add(key, row, values)
            group.observe(arm, row, values)
        else:
            if values is None:
                self.statistics.subtract(key, row, previous)
            else:
                self.statistics.amend(key, row, previous, values)
            group.rebuild(arm, self.statistics.totals(key.arm, key.group), self.statistics.pooled(key.group))
        self.learned += 1
        if key.epoch > self._epoch:
            self._epoch = key.epoch
            self.statistics.merge_epochs(before=key.epoch - LIVE_EPOCHS + 1)
        if not self.learned % REFRESH_EVERY:
            self._refresh()

    @property
    def is_fresh(self) -> bool:
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
        return self.statistics.digest()

    def encode(self) -> bytes:
        """The sums as bytes; only where :attr:`is_fresh` do they say everything."""
        return self.statistics.encode()

    def restore(self, blob: bytes, *, learned: int) -> None:
        """Continue from encoded sums.

        Raises:
            SnapshotCorruptError: if they are damaged, of another shape, or those of no rows. What was believed
                before may be gone then: start anew.
        """
        statistics = Statistics.decode(blob)
        if (statistics.dimension, dict(statistics.groups)) != (self._dimension, self._sizes):
            raise SnapshotCorruptError("sums are of another dimension or other objective groups")
        strangers = {key.arm for key in statistics.keys} - set(self._arms)
        if strangers:
            raise SnapshotCorruptError(f"sums are of arms that this router does not have: {', '.join(strangers)}")
        for arm, group in {key[:2] for key in statistics.keys}:
            if not statistics.totals(arm, group).are_of_rows():
                raise SnapshotCorruptError(f"sums of arm {arm!r} and group {group!r} are those of no rows")
        self.statistics = statistics
        self.learned = learned
        self._epoch = max((key.epoch for key in statistics.keys), default=0)
        try:
            self._refresh()
        except (InvalidArgumentError, np.linalg.LinAlgError) as error:
            raise SnapshotCorruptError(f"sums are those of no rows: {error}") from None

    def _refresh(self) -> None:
        for name, group in self._groups.items():
            group.refresh([self.statistics.totals(arm, name) for arm in self._arms], self.statistics.pooled(name))
