"""The requests that every learner is timed on: contexts, and the outcome of each arm, made once."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from banditroute.core.arrays import FEATURE_UNIT, OUTCOME_UNIT, FloatArray, IntArray
from banditroute.core.objectives import Objective, Objectives

OBJECTIVES = Objectives(
    [
        Objective("quality", group="response"),
        Objective("cost_usd", goal="min", bounds=(0, 0.05)),
        Objective("latency_s", goal="min", bounds=(0, 30)),
    ]
)


@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """What one cell of the study is measured on; everything lies on the library's grid, so all see the same bits.

    Attributes:
        arms: Number of arms, N.
        warm_arms: Which arm each of the first, untimed rows belongs to; shape (W,).
        warm_contexts: Their contexts, shape (W, d).
        warm_outcomes: Their outcomes, scaled to [0, 1], shape (W, objectives).
        X: The contexts of the timed requests, shape (T, d).
        Y: What every arm would make of them, scaled to [0, 1], shape (T, N, objectives).
        weights: Signed preferences, shape (objectives,).
    """

    arms: int
    warm_arms: IntArray
    warm_contexts: FloatArray
    warm_outcomes: FloatArray
    X: FloatArray
    Y: FloatArray
    weights: FloatArray

    @property
    def dimension(self) -> int:
        """Number of features d; the last one is the constant 1."""
        return int(self.X.shape[1])

    def utility(self, Y: FloatArray) -> FloatArray:
        """Scalarise outcomes: the reward of a learner that knows only one."""
        utility: FloatArray = Y @ self.weights
        return utility


def make_stream(
    *, arms: int, dimension: int, pulls_per_arm: int, steps: int, preferences: Mapping[str, float], seed: int
) -> Stream:
    """Linear arms with noise, and what they were asked before: each arm ``pulls_per_arm`` times."""
    rng = np.random.default_rng(seed)
    theta = rng.normal(size=(arms, len(OBJECTIVES), dimension)) * 0.15
    theta[:, :, -1] += 0.5
    warm_arms = rng.permutation(np.repeat(np.arange(arms), pulls_per_arm))
    warm_contexts, X = _contexts(rng, len(warm_arms), dimension), _contexts(rng, steps, dimension)
    warm_mean = np.einsum("tmd,td->tm", theta[warm_arms], warm_contexts)
    mean = np.einsum("amd,td->tam", theta, X)
    return Stream(
        arms=arms,
        warm_arms=warm_arms,
        warm_contexts=warm_contexts,
        warm_outcomes=_noisy(rng, warm_mean),
        X=X,
        Y=_noisy(rng, mean),
        weights=OBJECTIVES.weights(preferences),
    )


def _contexts(rng: np.random.Generator, count: int, dimension: int) -> FloatArray:
    X = rng.normal(size=(count, dimension)) / np.sqrt(dimension)
    X[:, -1] = 1.0
    return np.asarray(np.rint(X / FEATURE_UNIT) * FEATURE_UNIT)


def _noisy(rng: np.random.Generator, mean: FloatArray) -> FloatArray:
    Y = np.clip(mean + rng.normal(scale=0.1, size=mean.shape), 0.0, 1.0)
    return np.asarray(np.rint(Y / OUTCOME_UNIT) * OUTCOME_UNIT)
