"""The model protocol: a model predicts the outcomes of arms and learns them in the order of the log."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from banditroute.core.arrays import FloatArray, RowArray
from banditroute.core.log import StateKey
from banditroute.core.prediction import Prediction

EPOCH_REQUESTS = 65_536
"""How many decisions share an epoch by default."""


# Not frozen, which would treble the time to make one.
@dataclass(slots=True, eq=False)
class Example:
    """One group of outcomes of one decision, in the form in which it is learned.

    Attributes:
        key: Arm that served, objective group, and the epoch of the decision.
        row: The context on the grid, with its intercept; shape (d,).
        values: Scaled outcomes on the grid, in the order of the group's objectives; None takes ``previous`` out.
        previous: The values that this example replaces; None for first values.
        decision_key: That of the decision, which ends its being pending in this group; empty if it is not known.
    """

    key: StateKey
    row: RowArray
    values: tuple[int, ...] | None
    previous: tuple[int, ...] | None = None
    decision_key: bytes = b""


@dataclass(frozen=True, slots=True)
class ArmStart:
    """Prior knowledge of an arm.

    Attributes:
        prior: Position of an objective → scaled mean that was declared for the arm.
    """

    prior: Mapping[int, float] = field(default_factory=dict)


class Model(Protocol):
    """Predicts scaled outcomes of every arm, and learns them example by example.

    A model is a fold of the log: the same calls in the same order give the same bits, so it may use no clock, no
    network and no generator of its own. Reading it changes nothing. It is not thread-safe; the router holds a
    lock.

    A model whose result does not depend on the order of examples is *additive*: what was learned is taken out
    exactly by an example with ``previous`` and no ``values``. Another one may only approximate that; where
    exactness is needed (``Router.forget``) it is rebuilt from a snapshot and the log.

    What a model is given comes in small records (:class:`Example`, :class:`ArmStart`), so that a new kind of
    information is a new field with a default and no change to the models that do not use it.
    """

    @property
    def is_additive(self) -> bool:
        """Whether examples are learned exactly in any order, and taken out exactly."""
        ...

    @property
    def epoch_requests(self) -> int:
        """How many decisions share an epoch, the unit in which the past can be discounted; above 0."""
        ...

    @property
    def just_refreshed(self) -> bool:
        """Whether :meth:`state` says everything now, so that a snapshot may be taken."""
        ...

    def add_arm(self, name: str, start: ArmStart) -> None:
        """Add an arm of which nothing was learned."""
        ...

    def predict(self, row: RowArray) -> Prediction:
        """Return mean and width of every arm and objective in one context; valid until the next example."""
        ...

    def predict_many(self, rows: RowArray) -> tuple[FloatArray, FloatArray]:
        """Return mean and width for each row, both of shape (requests, arms, objectives)."""
        ...

    def predictive(self, arm: str, group: str, row: RowArray) -> tuple[FloatArray, FloatArray]:
        """Return mean and standard deviation of an arm's next outcomes of one group; both of shape (m,)."""
        ...

    def expect(self, decision_key: bytes, arm: str, row: RowArray) -> None:
        """Note that an arm was chosen: its outcomes are pending, which may narrow widths and moves no mean."""
        ...

    def learn(self, example: Example) -> None:
        """Learn an example, amend what it replaces, or take that out.

        Raises:
            UnknownArmError: for an arm that was never added.
        """
        ...

    def advance(self) -> None:
        """Count a feedback of which nothing is learned: refreshes lie at positions of the log."""
        ...

    def defer_refresh_until(self, n_feedback: int) -> None:
        """Do without predictions up to so many feedbacks, as in a replay of the log; 0 ends that."""
        ...

    def discount(self, arm: str, group: str, *, last: int, halvings: int) -> None:
        """Let what an arm showed in one group, up to epoch ``last``, count for 2⁻ʰ of what it did."""
        ...

    def inherit(self, successor: str, predecessor: str, rows: int) -> None:
        """Let an arm start as if about ``rows`` examples of another one, and at most those, were its own."""
        ...

    def counts(self, group: str) -> FloatArray:
        """Return how many examples of a group each arm has; shape (arms,)."""
        ...

    def noise(self) -> FloatArray:
        """Return the standard deviation of every objective's outcomes, scaled; shape (objectives,)."""
        ...

    def digest(self) -> str:
        """Return a hash of what was learned; of an additive model, the same in any order."""
        ...

    def state(self) -> tuple[Mapping[str, Any], bytes]:
        """Return the state: facts fit for JSON, and a blob. Complete only where :attr:`just_refreshed`."""
        ...

    def restore(self, facts: Mapping[str, Any], blob: bytes, *, n_feedback: int) -> None:
        """Continue from what :meth:`state` gave after so many feedbacks; arms were added before.

        Raises:
            SnapshotCorruptError: if it is damaged or of another shape; then the model is of no use any more.
        """
        ...
