"""The records of the log, in the form in which they are stored.

A decision key is the 16 bytes inside a decision id. Features are rows on the grid of 2⁻¹⁵ and outcomes are scaled
values on the grid of 2⁻¹⁶ (see :mod:`banditroute.core.arrays`), so that what is replayed is bit for bit what was
learned. Times are int64 microseconds, UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias, TypeVar, dataclass_transform

from banditroute.core.arms import Arm, ArmStatus
from banditroute.core.arrays import FloatArray, RowArray

T = TypeVar("T")


@dataclass_transform(frozen_default=True, eq_default=False)
def _record(kind: type[T]) -> type[T]:
    """A dataclass that is frozen for type checkers: at run time that would be a tenth of the time of a replay."""
    return dataclass(slots=True, eq=False)(kind)


class Position(NamedTuple):
    """A position in the log: the number of feedbacks and of decisions before it."""

    n_feedback: int = 0
    n_decisions: int = 0


class StateKey(NamedTuple):
    """The key of one set of sums: arm, objective group and epoch."""

    arm: str
    group: str
    epoch: int


@_record
class DecisionRecord:
    """One decision.

    Attributes:
        decision_key: 16 bytes, unique; the decision id without its tag.
        number: Sequence number of this decision in its router, from 1.
        n_feedback: How many feedbacks came before it.
        arm: The chosen arm.
        row: The context on the grid, with its intercept; shape (d,).
        arms: All arms of the router at that time; the arrays below follow their order. Empty if the stored row is
            corrupted: it keeps its sequence number and nothing else.
        probabilities: Shape (arms,); 0 where not eligible.
        mean: Expected outcome, scaled to the objectives' bounds, as the policy saw it; shape (arms, objectives),
            or (arms, 0) after a fallback.
        width: One standard width of it, or at most that; same shape. See
            :class:`~banditroute.core.decision.Expectation`.
        preferences: The weights used.
        weights: The same in the order of the objectives, negative where less is better; shape (objectives,).
        excluded: Arm → the rule that made it ineligible.
        epoch: The bucket of sums into which its feedback goes.
        mode, cause: As in :class:`~banditroute.core.decision.Decision`.
        draw_key: The caller's key, which replaces the decision key in the draw; None if there is none.
        effects: Effects of each controller, by its name; plain values.
        created_us: Time of the decision by the router's clock [us since the epoch].
        session, cohort: As in :class:`~banditroute.core.request.Request`.
    """

    decision_key: bytes
    number: int
    n_feedback: int
    arm: str
    row: RowArray
    arms: tuple[str, ...]
    probabilities: FloatArray
    mean: FloatArray
    width: FloatArray
    preferences: Mapping[str, float]
    weights: FloatArray
    excluded: Mapping[str, str]
    epoch: int
    mode: str
    cause: str
    draw_key: str | None
    effects: Mapping[str, Any]
    created_us: int
    session: str | None = None
    cohort: str | None = None


@_record
class FeedbackRecord:
    """One group of outcomes of one decision, as it was learned.

    Attributes:
        decision_key: The key of the decision.
        number: Sequence number of this feedback in its router, from 1, without gaps.
        group: The objective group; empty if the stored row is corrupted and only keeps its sequence number.
        revision: 0, or how often these values were amended before.
        arm: The arm that served, hence the one that is trained.
        row, epoch: Those of the decision; stored there and joined when read.
        values: Scaled outcomes on the grid, in the order of the group's objectives; None subtracts the
            row from the sums or, if it was not in them, only records the report.
        previous: ``values`` of the revision before; None for the first.
        outcomes: The values as they were reported, unclipped, in their own units (and token counts).
        source: The source of the report, such as a judge.
        received_us: Time of the report by the router's clock [us since the epoch].
        by_default: Whether this is the default of a window that closed without a report.
        amends: Whether it replaces other values in the log. Not stored: the log shows the result.
    """

    decision_key: bytes
    number: int
    group: str
    revision: int
    arm: str
    row: RowArray
    epoch: int
    values: tuple[int, ...] | None
    previous: tuple[int, ...] | None
    outcomes: Mapping[str, float]
    source: str | None
    received_us: int
    by_default: bool = False
    amends: bool = False


@dataclass(frozen=True, slots=True)
class ReportRecord:
    """Outcomes of a decision that this process does not know: what they mean is worked out where it is stored.

    Attributes:
        decision_key: The key of the decision.
        outcomes: As they were reported, in their own units.
        served_arm, source, amend: As in ``Router.feedback``.
        received_us: Time of the report by the router's clock [us since the epoch].
    """

    decision_key: bytes
    outcomes: Mapping[str, float]
    served_arm: str | None
    source: str | None
    amend: bool
    received_us: int


@dataclass(frozen=True, slots=True)
class ArmRecord:
    """An arm was added or changed; the latest record of a name counts, prices keep their history.

    Attributes:
        arm: As it is now.
        status: Whether it may serve.
        successor: Who stands for it, once it is retired.
        price_effective_us: From when its price counts.
        recorded_us: By the router's clock.
        n_eff: About how many of its rows its successor reads as if they were its own.
    """

    arm: Arm
    status: ArmStatus
    successor: str | None
    price_effective_us: int
    recorded_us: int
    n_eff: int = 0


@dataclass(frozen=True, slots=True)
class PreferencesRecord:
    """The router's preferences were changed."""

    version: int
    preferences: Mapping[str, float]
    recorded_us: int


@dataclass(frozen=True, slots=True)
class SpaceRecord:
    """The first vector fixed the number of features; ``dimension`` is without the intercept."""

    dimension: int
    recorded_us: int


@dataclass(frozen=True, slots=True)
class SecretRecord:
    """Ids under this secret are valid: a worker issued them while its store was unavailable."""

    secret: bytes = field(repr=False)
    recorded_us: int


@dataclass(frozen=True, slots=True, eq=False)
class SnapshotRecord:
    """The state after all that lies before ``position``, so that a restart need not replay it."""

    position: Position
    blob: bytes = field(repr=False)
    recorded_us: int


LogRecord: TypeAlias = (
    DecisionRecord
    | FeedbackRecord
    | ReportRecord
    | ArmRecord
    | PreferencesRecord
    | SpaceRecord
    | SecretRecord
    | SnapshotRecord
)
