"""The policy protocol: predictions in, probabilities out."""

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from banditroute.core.arrays import FloatArray
from banditroute.core.objectives import Objectives
from banditroute.core.situation import Situation

if TYPE_CHECKING:
    # Learning is loaded when a router is opened.
    from banditroute.learning.base import Model

DEFAULT_RIDGE = 32.0
"""λ of the ridge model beneath a policy that declares none."""

# Below it, collinear features leave no posterior to rounding.
LEAST_RIDGE, MOST_RIDGE = 1e-3, 1e9


class Policy(Protocol):
    """Maps a situation to a probability for each arm.

    A policy is a frozen value without state and without randomness: the router draws, once, and logs the
    probabilities, so that any policy can later be judged from the log.

    What it sees is predicted by a ridge model. A policy may set its λ by an attribute ``ridge``, or bring a model
    of its own (:class:`ModelPolicy`).
    """

    def probabilities(self, situation: Situation) -> FloatArray:
        """Probability of each arm, shape (arms,): ≥ 0, 0 where not eligible, summing to 1.

        The same situation gives the same bits, and permuting its arms permutes them.
        """
        ...


@runtime_checkable
class ModelPolicy(Protocol):
    """An optional part of a policy: it chooses by a model of its own."""

    def model(self, objectives: Objectives, features: int, *, intercept: bool) -> "Model":
        """Return a new model for so many features, to which an intercept is appended if ``intercept``."""
        ...


def model_of(policy: Policy, objectives: Objectives, features: int, *, intercept: bool) -> "Model":
    """Return a new model for a policy: its own, or the ridge model with its λ."""
    if isinstance(policy, ModelPolicy):
        return policy.model(objectives, features, intercept=intercept)
    from banditroute.learning.posterior.model import OutcomeModel

    ridge = getattr(policy, "ridge", DEFAULT_RIDGE)
    return OutcomeModel(objectives, features, intercept=intercept, ridge=ridge)
