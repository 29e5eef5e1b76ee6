"""The protocol of a timed learner, and the check that all learners compute the same."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from banditroute.core.arrays import FloatArray
from simulations.speed.stream import Stream


class Learner(Protocol):
    """One library's disjoint LinUCB. Contexts and outcomes are put into its own form before the clock runs."""

    def prepare(self, x: FloatArray) -> Any:
        """Return a context in the form that this learner takes."""
        ...

    def outcomes(self, stream: Stream) -> Sequence[Sequence[Any]]:
        """Return the outcomes of each request and arm, in the form that this learner takes."""
        ...

    def warm(self, stream: Stream) -> None:
        """Learn the rows that lie before the timed ones."""
        ...

    def decide(self, x: Any) -> int:
        """Choose an arm. Timed."""
        ...

    def learn(self, arm: int, x: Any, outcome: Any) -> None:
        """Learn the chosen arm's outcome. Timed."""
        ...

    def centre(self) -> FloatArray:
        """Return the coefficients to which its ridge shrinks those of the reward, shape (d,); for the check."""
        ...

    def bonus(self, leverage: FloatArray) -> FloatArray:
        """Return what it adds to a mean of that leverage xᵀ V⁻¹ x, by its own formula; for the check alone."""
        ...


class ClosedForm:
    """Disjoint ridge regression by the textbook: V = λI + Σ x xᵀ, inverted again after every row.

    References:
        Li, Chu, Langford & Schapire, "A contextual-bandit approach to personalized news article
        recommendation", WWW 2010, algorithm 1.
    """

    def __init__(self, stream: Stream, *, ridge: float) -> None:
        d = stream.dimension
        self._ridge = ridge
        self._V = np.stack([ridge * np.eye(d)] * stream.arms)
        self._b = np.zeros((stream.arms, d))
        rewards = stream.utility(stream.warm_outcomes)
        for arm in range(stream.arms):
            rows = stream.warm_contexts[stream.warm_arms == arm]
            self._V[arm] += rows.T @ rows
            self._b[arm] += rows.T @ rewards[stream.warm_arms == arm]
        self._inverse = np.linalg.inv(self._V)

    def means_and_leverages(self, x: FloatArray, centre: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Expected reward, shrunk to ``centre``, and xᵀ V⁻¹ x of every arm; both of shape (arms,)."""
        u = self._inverse @ x
        return np.einsum("ad,ad->a", u, self._b + self._ridge * centre), u @ x

    def learn(self, arm: int, x: FloatArray, reward: float) -> None:
        """Add a row."""
        self._V[arm] += np.outer(x, x)
        self._b[arm] += reward * x
        self._inverse[arm] = np.linalg.inv(self._V[arm])


def agreement(learner: Learner, stream: Stream, *, ridge: float, steps: int, tolerance: float = 1e-9) -> float:
    """Share of the first steps in which the learner chose what the closed form calls best, to ``tolerance``."""
    reference = ClosedForm(stream, ridge=ridge)
    outcomes, rewards = learner.outcomes(stream), stream.utility(stream.Y)
    agreed = 0
    for i, x in enumerate(stream.X[:steps]):
        mean, leverage = reference.means_and_leverages(x, learner.centre())
        score = mean + learner.bonus(leverage)
        prepared = learner.prepare(x)
        arm = learner.decide(prepared)
        agreed += bool(score[arm] >= score.max() - tolerance)
        learner.learn(arm, prepared, outcomes[i][arm])
        reference.learn(arm, x, rewards[i, arm])
    return agreed / steps
