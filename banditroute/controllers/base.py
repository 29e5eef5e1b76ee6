"""The controller protocol: a small state machine around any policy."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol, TypeAlias

from banditroute.arrays import FloatArray, RowArray
from banditroute.errors import InvalidArgumentError
from banditroute.records import DecisionRecord, FeedbackRecord, Situation

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
    """

    @property
    def name(self) -> str:
        """Unique among the controllers of a router; under it stand its effects in ``why`` and its state."""
        ...

    def control(self, situation: Situation, choice: Choice) -> FloatArray:
        """Probability of each arm, shape (arms,): of ``choice`` for this situation, or for another one."""
        ...

    def effects(self, situation: Situation) -> Mapping[str, Any]:
        """What it did to this situation, as plain values for ``why``; called right after :meth:`control`.

        A value under ``"mode"`` is the mode of the decision, ``"held"`` for instance; that of the outermost
        controller that says one counts, and without any it is ``"live"``.
        """
        ...

    def decided(self, record: DecisionRecord, predict: Predict) -> None:
        """See a decision; ``predict`` says what is believed now of any contexts."""
        ...

    def learned(self, record: FeedbackRecord) -> None:
        """See a feedback."""
        ...

    def state(self) -> Mapping[str, Any]:
        """The state, fit for JSON."""
        ...

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from what :meth:`state` gave."""
        ...


def controlled(choice: Choice, controllers: Sequence[Controller]) -> Choice:
    """The choice with all controllers around it, the first one outermost."""
    for controller in reversed(controllers):
        choice = partial(controller.control, choice=choice)
    return choice


def check_names(controllers: Sequence[Controller]) -> None:
    """Refuse controllers that could not be told apart in the log.

    Raises:
        InvalidArgumentError: if two have the same name.
    """
    names = [controller.name for controller in controllers]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidArgumentError(
            f"controllers must have different names; given more than once: {', '.join(twice)}"
        )
