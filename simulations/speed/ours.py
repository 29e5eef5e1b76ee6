"""This library's LinUCB, from a row on the grid to the probabilities of all arms, and the exact sums after it."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from banditroute.core.arrays import OUTCOME_BITS, BoolArray, FloatArray, IntArray, RowArray, feature_row
from banditroute.core.log import StateKey
from banditroute.core.request import Request
from banditroute.core.situation import Situation
from banditroute.learning import ArmStart, Example, OutcomeModel
from banditroute.policies import Exploration, LinUCB
from simulations.speed.stream import OBJECTIVES, Stream

Prepared: TypeAlias = tuple[RowArray, FloatArray]


class Ours:
    """OutcomeModel and policy of the router, without its checks, its draw and its log.

    It learns three objectives where its peers learn their sum, and keeps exact sums beside the posterior. It
    chooses the best score, as its peers do; what probabilities of all arms cost on top stands in the second
    table, where the router is timed.
    """

    def __init__(self, stream: Stream, alpha: float) -> None:
        self._model = OutcomeModel(OBJECTIVES, stream.dimension - 1, intercept=True, ridge=1.0)
        self._names = tuple(f"arm-{i}" for i in range(stream.arms))
        for name in self._names:
            self._model.add_arms({name: ArmStart()})
        (self._group,) = OBJECTIVES.groups
        self._keys = [StateKey(name, self._group, 0) for name in self._names]
        self._policy = LinUCB(alpha=alpha, ridge=1.0, exploration=Exploration(floor=0.02, burn_in=0))
        self._weights = stream.weights
        self._request = Request({}, stream.weights, {}, None, None, None, now_us=0)
        self._eligible: BoolArray = np.ones(stream.arms, dtype=np.bool_)
        self._plays: IntArray = np.zeros(stream.arms, dtype=np.int64)

    def prepare(self, x: FloatArray) -> Prepared:
        """The row on the grid, and the same as float64."""
        return feature_row(x, intercept=False), x

    def outcomes(self, stream: Stream) -> Sequence[Sequence[tuple[int, ...]]]:
        """Values of all objectives on the grid."""
        return [[tuple(values) for values in row] for row in _on_grid(stream.Y).tolist()]

    def warm(self, stream: Stream) -> None:
        """Row by row."""
        values = _on_grid(stream.warm_outcomes).tolist()
        for arm, x, row in zip(stream.warm_arms.tolist(), stream.warm_contexts, values, strict=True):
            self.learn(arm, self.prepare(x), tuple(row))

    def decide(self, x: Prepared) -> int:
        """Mean and width of arms and objectives, as far as the policy asks; its scores, the best arm."""
        prediction = self._model.predict(x[0])
        situation = Situation(
            self._names, self._eligible, prediction, self._weights, self._plays, OBJECTIVES, self._request
        )
        return int(self._policy.score(situation).argmax())

    def learn(self, arm: int, x: Prepared, outcome: tuple[int, ...]) -> None:
        """The exact sums, and the posterior."""
        self._model.learn(Example(self._keys[arm], x[0], outcome))

    def centre(self) -> FloatArray:
        """The model that is common to all arms, about which each of them is shrunk."""
        # Only this check reads it, so it has no public name.
        common = self._model._groups[self._group]._common
        return np.asarray(self._weights @ common)

    def bonus(self, leverage: FloatArray) -> FloatArray:
        """α Σ|w_j| σ̂_j times the root of the leverage."""
        scale = self._model.noise() @ np.abs(self._weights)
        return np.asarray(self._policy.alpha * scale * np.sqrt(leverage))


def _on_grid(Y: FloatArray) -> IntArray:
    return np.rint(Y * 2.0**OUTCOME_BITS).astype(np.int64)
