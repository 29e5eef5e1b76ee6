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

# With a smaller λ, rounding makes V = λI + G singular where features are collinear.
LEAST_RIDGE, MOST_RIDGE = 1e-3, 1e9


class Policy(Protocol):
    """Maps a situation to a probability for each arm.

    A policy is a frozen value without state and without randomness: the router draws once and logs the
    probabilities, so that any other policy can later be evaluated from the log.

    The predictions in a situation come from a ridge model. A policy may set λ by an attribute ``ridge``, or bring
    its own model (:class:`ModelPolicy`).
    """

    def probabilities(self, situation: Situation) -> FloatArray:
        """Return the probability of each arm, shape (arms,): ≥ 0, 0 where not eligible, with sum 1.

        The same situation gives the same bits, and permuting its arms permutes the probabilities.
        """
        ...


@runtime_checkable
class ModelPolicy(Protocol):
    """Optional protocol of a policy that brings its own model."""

    def model(self, objectives: Objectives, features: int, *, intercept: bool) -> "Model":
        """Return a new model for ``features`` features, plus an intercept if ``intercept`` is set."""
        ...


def model_of(policy: Policy, objectives: Objectives, features: int, *, intercept: bool) -> "Model":
    """Return a new model for a policy: the policy's own, or the ridge model with the policy's λ."""
    if isinstance(policy, ModelPolicy):
        return policy.model(objectives, features, intercept=intercept)
    from banditroute.learning.posterior.model import OutcomeModel

    ridge = getattr(policy, "ridge", DEFAULT_RIDGE)
    return OutcomeModel(objectives, features, intercept=intercept, ridge=ridge)
