"""The controller protocol: a small state machine around a policy."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np

from banditroute.core.arrays import OUTCOME_UNIT, FloatArray, RowArray
from banditroute.core.log import DecisionRecord, FeedbackRecord
from banditroute.core.shown import shown
from banditroute.core.situation import Situation
from banditroute.core.validation import require_items
from banditroute.errors import InvalidArgumentError

Choice: TypeAlias = Callable[[Situation], FloatArray]
"""Situation → probability of each arm: the method of a policy, or of a controller around it."""


Predict: TypeAlias = Callable[[RowArray], tuple[FloatArray, FloatArray]]
"""Rows on the grid, shape (contexts, d) → scaled mean and width, both of shape (contexts, arms, objectives)."""


class Controller(Protocol):
    """Constrains or prices the choice of a policy.

    A controller wraps the policy, and other controllers may wrap it. It may narrow the situation or price its arms
    before passing it on, ask for several answers and mix them, or change the answer. It returns probabilities and
    never draws, so the logged probability covers all randomness.

    Its state is a fold of the log: :meth:`decided` and :meth:`learned` receive every record once, in order, on the
    live path and in a replay of the log. They must use nothing else except the predictions at that moment (no
    clock, no network). :meth:`control` may use data from outside, but must not change the state.

    A controller may also be an :class:`OutcomeObserver` and a :class:`Reporter`.
    """

    @property
    def name(self) -> str:
        """Name, unique in the router; the key of the controller's effects in ``why`` and of its state."""
        ...

    def control(self, situation: Situation, choice: Choice) -> FloatArray:
        """Return the probability of each arm, shape (arms,); calls ``choice``, maybe for a changed situation."""
        ...

    def effects(self, situation: Situation) -> Mapping[str, Any]:
        """Return the effect on this situation, as plain values for ``why``; called after :meth:`control`.

        A value under ``"mode"``, for instance ``"held"``, sets the mode of the decision. If several controllers
        set it, the outermost one wins; if none does, the mode is ``"live"``.
        """
        ...

    def decided(self, record: DecisionRecord, predict: Predict) -> None:
        """Update the state by a decision; ``predict`` returns current predictions for any contexts."""
        ...

    def learned(self, record: FeedbackRecord) -> None:
        """Update the state by a feedback that changed the sums; feedback that is only logged is not passed."""
        ...

    def state(self) -> Mapping[str, Any]:
        """Return the state as a mapping for JSON."""
        ...

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from the result of :meth:`state`."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class OutcomePrediction:
    """The prediction of one feedback just before it is learned, scaled to the bounds.

    Attributes:
        names: The objectives of the group, in the order of the feedback's values.
        positions: Their positions among all objectives: the columns of a decision's ``mean`` and ``weights``.
        mean: Expected outcomes; shape (m,).
        deviation: Standard deviation of an outcome about its mean, from noise and model uncertainty; shape (m,).
    """

    names: tuple[str, ...]
    positions: tuple[int, ...]
    mean: FloatArray
    deviation: FloatArray

    def standardised_residual(self, values: Sequence[int]) -> FloatArray:
        """Return the standardised residuals (y − μ) / √(σ² + s²) of values on the grid; shape (m,)."""
        residuals: FloatArray = (np.array(values) * OUTCOME_UNIT - self.mean) / self.deviation
        return residuals


@dataclass(frozen=True, slots=True)
class DiscountRequest:
    """A request to multiply the weight of an arm's past data in one objective group by 2⁻ʰ, h = ``halvings``.

    The sums keep all data; only the weight with which they are read changes. Later data has full weight.
    """

    arm: str
    group: str
    halvings: int


@runtime_checkable
class OutcomeObserver(Protocol):
    """Optional protocol of a controller that compares outcomes with their predictions.

    :meth:`observe` receives each first report before it is learned and before :meth:`Controller.learned`, on the
    live path and in a replay of the log; it is part of the fold too. The router's state applies the requested
    discounts right after the feedback is learned.
    """

    def observe(self, record: FeedbackRecord, outlook: OutcomePrediction) -> Sequence[DiscountRequest]:
        """Compare a feedback with its prediction; return the arms and groups whose past data to discount."""
        ...


@runtime_checkable
class Reporter(Protocol):
    """Optional protocol of a controller that has a report for operators."""

    def report(self) -> Mapping[str, Any]:
        """Return the current status as plain values, for ``Router.health``."""
        ...


def controlled(choice: Choice, controllers: Sequence[Controller]) -> Choice:
    """Return the choice with all controllers around it, the first one outermost."""
    for controller in reversed(controllers):
        choice = partial(controller.control, choice=choice)
    return choice


def checked_controllers(controllers: Sequence[Controller]) -> tuple[Controller, ...]:
    """Return controllers that can be distinguished in the log.

    Raises:
        InvalidArgumentError: for an object that is no controller, or two with the same name.
    """
    controllers = require_items("controllers", controllers)
    for each in controllers:
        if isinstance(each, type) or not all(hasattr(each, name) for name in _METHODS):
            raise InvalidArgumentError(f"controllers must be controller objects, got {shown(each, 80)}")
    names = [controller.name for controller in controllers]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidArgumentError(
            f"controllers must have different names; given more than once: {', '.join(twice)}"
        )
    return controllers


_METHODS = ("name", "control", "effects", "decided", "learned", "state", "restore")
