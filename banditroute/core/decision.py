"""The decision that ``route`` returns."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from banditroute.core.arrays import FloatArray
from banditroute.core.log import DecisionRecord
from banditroute.core.objectives import Objectives
from banditroute.core.receipt import ReceiptStatus, wait_until_stored

if TYPE_CHECKING:
    from concurrent.futures import Future


@dataclass(frozen=True, slots=True)
class Expectation:
    """The expected value of one objective, in its own unit.

    Attributes:
        mean: The expected value.
        width: One standard width of that mean, σ̂·‖x‖ in the norm of V⁻¹; a policy's ``alpha`` multiplies it. With
            so many arms and features that reading every V⁻¹ would be nearly all the time of a decision (from
            2 MB on), only the chosen arm's is surely exact, and those that mattered to the choice. For an arm
            that could not win whatever its width was, this is the bound σ̂·‖x‖/√λ: the width is at most that.
    """

    mean: float
    width: float


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """One choice of an arm, with its reasons. Most properties are computed when they are read.

    The store gets the decision with its next group commit, usually within 10 ms, and later if the disk is busy. If
    the process is killed before, the decision is lost, and later feedback on it is ``"pending"``. Call
    :meth:`wait` where that matters.

    Attributes:
        id: What ``feedback`` and ``why`` take; safe to hand to a client.
        arm: The arm to call.
        propensity: Probability with which ``arm`` was chosen, over all randomness. (0, 1]
        record: The decision as it stands in the log; read-only.
    """

    id: str
    arm: str
    propensity: float
    record: DecisionRecord = field(repr=False)
    _objectives: Objectives = field(repr=False)
    _stored: "Future[ReceiptStatus]" = field(repr=False)
    _process: int = field(default_factory=os.getpid, repr=False)

    def wait(self, timeout: float | None = None) -> "Decision":
        """Block until the decision is on stable storage, at most ``timeout`` [s].

        Raises:
            TimeoutError: if that takes longer.
            StoreError: if it could not be stored, or if a forked child waits for a decision of its parent.
        """
        wait_until_stored(self._stored, self._process, timeout)
        return self

    @property
    def probabilities(self) -> dict[str, float]:
        """Probability of every arm; 0 for those that were not eligible."""
        record = self.record
        return dict(zip(record.arms, record.probabilities.tolist(), strict=True))

    @property
    def expected(self) -> dict[str, dict[str, Expectation]]:
        """Arm → objective → :class:`Expectation`; no objectives after a fallback."""
        return expectations(self.record, self._objectives)

    @property
    def ranking(self) -> tuple[str, ...]:
        """All eligible arms, the chosen one first, then by expected utility: the order in which to fall back."""
        record = self.record
        utility = expected_utility(record, self._objectives)
        order = sorted(range(len(record.arms)), key=lambda i: -utility[i])
        rest = (record.arms[i] for i in order if record.arms[i] not in record.excluded)
        return (self.arm, *(arm for arm in rest if arm != self.arm))

    @property
    def preferences(self) -> Mapping[str, float]:
        """The weights that were used."""
        return self.record.preferences

    @property
    def mode(self) -> str:
        """``"live"``, ``"fallback"`` after an internal fault, or the mode that a controller set."""
        return self.record.mode

    @property
    def cause(self) -> str:
        """In a word, why this arm: ``"policy"``, ``"only"`` (one eligible arm), ``"fallback"``."""
        return self.record.cause

    @property
    def effects(self) -> Mapping[str, Mapping[str, Any]]:
        """The effects of each controller, by its name; plain values."""
        return self.record.effects

    @property
    def state_version(self) -> int:
        """How many feedbacks had been learned from."""
        return self.record.n_feedback

    @property
    def created_at(self) -> datetime:
        """When it was made, UTC, by the router's clock."""
        return datetime.fromtimestamp(self.record.created_us / 1e6, UTC)


def expectations(record: DecisionRecord, objectives: Objectives) -> dict[str, dict[str, Expectation]]:
    """Return arm → objective → :class:`Expectation`, in the objectives' own units."""
    if not record.mean.size:
        return {arm: {} for arm in record.arms}
    return {
        arm: {
            objective.name: Expectation(
                mean=objective.bounds[0] + objective.span * float(record.mean[i, j]),
                width=objective.span * float(record.width[i, j]),
            )
            for j, objective in enumerate(objectives)
        }
        for i, arm in enumerate(record.arms)
    }


def expected_utility(record: DecisionRecord, objectives: Objectives) -> FloatArray:
    """Weighted sum of the expected, scaled outcomes; shape (arms,), all 0 after a fallback."""
    if not record.mean.size:
        return record.probabilities * 0.0
    utility: FloatArray = record.mean @ objectives.weights(record.preferences)
    return utility
