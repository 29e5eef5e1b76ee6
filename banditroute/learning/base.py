"""The model protocol: a model predicts the outcomes of arms and learns them in the order of the log."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from banditroute.core.arrays import FloatArray, RowArray
from banditroute.core.log import StateKey
from banditroute.core.prediction import Prediction

EPOCH_REQUESTS = 65_536
"""Default number of decisions in an epoch."""


# Not frozen: creating a frozen instance takes three times as long.
@dataclass(slots=True, eq=False)
class Example:
    """The outcomes of one objective group of one decision, as a model learns them.

    Attributes:
        key: Arm that served, objective group, and the epoch of the decision.
        row: The context on the grid, with its intercept; shape (d,).
        values: Scaled outcomes on the grid, in the order of the group's objectives; None subtracts ``previous``.
        previous: The values that this example replaces; None for first values.
        decision_key: Key of the decision, which is then no longer pending in this group; empty if unknown.
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
        prior: Position of an objective → the scaled mean declared for the arm.
    """

    prior: Mapping[int, float] = field(default_factory=dict)


class Model(Protocol):
    """Predicts scaled outcomes of every arm, and learns them example by example.

    A model is a fold of the log: the same calls in the same order give the same bits, so it must not use a clock,
    the network or its own random generator. Reading a model does not change it. It is not thread-safe; the router
    holds a lock.

    A model whose result does not depend on the order of examples is *additive*: an example with
    ``previous`` and no ``values`` subtracts exactly what was learned. Another model may approximate this; where
    exactness is needed (``Router.forget``), that model is rebuilt from a snapshot and the log.

    The arguments of a model are small records (:class:`Example`, :class:`ArmStart`): a new kind of information
    becomes a new field with a default, and models that do not use it need no change.
    """

    @property
    def is_additive(self) -> bool:
        """Whether the order of examples does not matter, and subtracting an example is exact."""
        ...

    @property
    def epoch_requests(self) -> int:
        """Number of decisions in an epoch, the unit by which past data is discounted; above 0."""
        ...

    @property
    def just_refreshed(self) -> bool:
        """Whether :meth:`state` is complete now, so that a snapshot may be taken."""
        ...

    def add_arms(self, starts: Mapping[str, ArmStart]) -> None:
        """Add at least one arm without examples, in this order."""
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
        """Note that an arm was chosen: its outcomes are pending, which may narrow widths but moves no mean."""
        ...

    def learn(self, example: Example) -> None:
        """Learn an example: add first values, replace previous ones, or subtract them.

        Raises:
            UnknownArmError: for an arm that was never added.
        """
        ...

    def advance(self) -> None:
        """Count a feedback that is not learned: refreshes happen at fixed positions of the log."""
        ...

    def defer_refresh_until(self, n_feedback: int) -> None:
        """Allow missing predictions before ``n_feedback`` feedbacks, as in a replay of the log; 0 ends this."""
        ...

    def discount(self, arm: str, group: str, *, last: int, halvings: int) -> None:
        """Multiply by 2⁻ʰ, h = ``halvings``, the weight of an arm's examples of one group up to epoch ``last``."""
        ...

    def inherit(self, successor: str, predecessor: str, rows: int) -> None:
        """Let an arm start from another arm's examples, with the weight of at most about ``rows`` examples."""
        ...

    def counts(self, group: str) -> FloatArray:
        """Return each arm's number of examples of a group; shape (arms,)."""
        ...

    def noise(self) -> FloatArray:
        """Return the standard deviation of every objective's outcomes, scaled; shape (objectives,)."""
        ...

    def digest(self) -> str:
        """Return a hash of what was learned; an additive model has the same hash for any order of examples."""
        ...

    def state(self) -> tuple[Mapping[str, Any], bytes]:
        """Return the state: facts for JSON, and a blob. It is complete only if :attr:`just_refreshed`."""
        ...

    def restore(self, facts: Mapping[str, Any], blob: bytes, *, n_feedback: int) -> None:
        """Continue from the result of :meth:`state` after ``n_feedback`` feedbacks; the arms were added before.

        Raises:
            SnapshotCorruptError: if the state is damaged or has another shape; the model must then be discarded.
        """
        ...
