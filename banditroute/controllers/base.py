"""The controller protocol: a small state machine around any policy."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np

from banditroute.core.arrays import OUTCOME_UNIT, FloatArray, RowArray
from banditroute.core.log import DecisionRecord, FeedbackRecord
from banditroute.core.situation import Situation
from banditroute.errors import InvalidArgumentError

Choice: TypeAlias = Callable[[Situation], FloatArray]
"""Situation → probability of each arm; a policy's method, or a controller around it."""


Predict: TypeAlias = Callable[[RowArray], tuple[FloatArray, FloatArray]]
"""Rows on the grid, shape (contexts, d) → scaled mean and width, both of shape (contexts, arms, objectives)."""


class Controller(Protocol):
    """Constrains or prices the choice of a policy.

    A controller stands around the policy, as other controllers may stand around it: it may narrow the situation
    or price its arms before it hands it on, ask for several answers and mix them, or change the answer. It
    returns probabilities and never draws, so that what is logged is the probability over all randomness.

    Its state is a fold of the log: :meth:`decided` and :meth:`learned` see every record once, in order, in life
    and when the log is replayed, and must use nothing else but what
    is believed at that moment (no clock, no network). :meth:`control` may look at
    the world outside, but must not change the state.

    A controller may be a :class:`OutcomeObserver` and a :class:`Reporter` besides.
    """

    @property
    def name(self) -> str:
        """Unique among the controllers of a router; under it stand its effects in ``why`` and its state."""
        ...

    def control(self, situation: Situation, choice: Choice) -> FloatArray:
        """Probability of each arm, shape (arms,): of ``choice`` for this situation, or for another one."""
        ...

    def effects(self, situation: Situation) -> Mapping[str, Any]:
        """Return the effect on this situation, as plain values for ``why``; called after :meth:`control`.

        A value under ``"mode"`` is the mode of the decision, ``"held"`` for instance; that of the outermost
        controller that says one counts, and without any it is ``"live"``.
        """
        ...

    def decided(self, record: DecisionRecord, predict: Predict) -> None:
        """See a decision; ``predict`` says what is believed now of any contexts."""
        ...

    def learned(self, record: FeedbackRecord) -> None:
        """See a feedback that moved the sums; what is only kept in the log is not shown."""
        ...

    def state(self) -> Mapping[str, Any]:
        """The state, fit for JSON."""
        ...

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from what :meth:`state` gave."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class OutcomePrediction:
    """The prediction of one feedback just before it was learned, scaled to the bounds.

    Attributes:
        names: The objectives of the group, in the order of the feedback's values.
        positions: Their places among all objectives: the columns of a decision's ``mean`` and ``weights``.
        mean: Expected outcomes; shape (m,).
        deviation: Standard deviation of an outcome about its mean: noise, and what is not known yet; shape (m,).
    """

    names: tuple[str, ...]
    positions: tuple[int, ...]
    mean: FloatArray
    deviation: FloatArray

    def standardised_residual(self, values: Sequence[int]) -> FloatArray:
        """Standardised residuals (y − μ) / √(σ² + s²) of values on the grid; shape (m,)."""
        found: FloatArray = (np.array(values) * OUTCOME_UNIT - self.mean) / self.deviation
        return found


@dataclass(frozen=True, slots=True)
class DiscountRequest:
    """A demand: what an arm showed so far in one objective group shall count for 2⁻ʰ of what it did.

    The sums keep all of it; only how they are read changes, and what comes later counts in full.
    """

    arm: str
    group: str
    halvings: int


@runtime_checkable
class OutcomeObserver(Protocol):
    """An optional part of a controller: it compares outcomes with their predictions.

    :meth:`observe` sees each first report, before it is learned and before :meth:`Controller.learned`, in life and
    when the log is replayed; it is a part of the fold as they are. The state carries out what it demands, right
    after the feedback was learned.
    """

    def observe(self, record: FeedbackRecord, outlook: OutcomePrediction) -> Sequence[DiscountRequest]:
        """See a feedback beside what was expected; say whose past shall count for less."""
        ...


@runtime_checkable
class Reporter(Protocol):
    """An optional part of a controller: it has a report for operators."""

    def report(self) -> Mapping[str, Any]:
        """How things stand, as plain values, for ``Router.health``."""
        ...


def controlled(choice: Choice, controllers: Sequence[Controller]) -> Choice:
    """The choice with all controllers around it, the first one outermost."""
    for controller in reversed(controllers):
        choice = partial(controller.control, choice=choice)
    return choice


def check_names(controllers: Sequence[Controller]) -> None:
    """Refuse controllers whose records could not be distinguished in the log.

    Raises:
        InvalidArgumentError: if two have the same name.
    """
    names = [controller.name for controller in controllers]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidArgumentError(
            f"controllers must have different names; given more than once: {', '.join(twice)}"
        )
