"""A constraint on the average of reported outcomes, kept by a price on each arm's expected use."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from banditroute.controllers.base import Choice, Predict
from banditroute.controllers.pending import PendingOutcomes
from banditroute.controllers.targets.virtual_queue import VirtualQueue
from banditroute.core.arrays import FloatArray
from banditroute.core.log import DecisionRecord, FeedbackRecord
from banditroute.core.situation import Situation
from banditroute.core.validation import require_name, require_number
from banditroute.errors import InvalidArgumentError

STEP = 0.025
SLACK = 5.0


class Target(ABC):
    """Keeps the average use of a quantity at the allowed value, over all requests so far.

    An arm's utility is reduced by price × expected use, and the price follows a
    :class:`~banditroute.controllers.targets.virtual_queue.VirtualQueue`. A request counts at its expected use
    until its outcome is reported, so the price reacts before late feedback arrives; a request without feedback
    counts at its expected use permanently.

    If the price is not enough, because new arms are tried at any price or the policy ignores prices, the answer is
    mixed with a choice among the arms whose plausible lower bound of use is allowed. This part grows from a debt
    of ``slack``, and is nearly the whole answer from twice that debt. The lower bound counts, so that uncertain
    arms stay in the choice. If no arm has an allowed lower bound, the arm with the lowest one is chosen, whatever
    its utility.

    Args:
        objective: Name of the reported objective.
        allowed: Allowed mean use of a request. > 0
        step: Step of the price, for a debt of one request's allowed use; see
            :class:`~banditroute.controllers.targets.virtual_queue.VirtualQueue`. > 0
        slack: Debt from which the answer is mixed, in units of use. > 0
        name: Name of this controller, unique in the router.
    """

    def __init__(self, objective: str, *, allowed: float, step: float, slack: float, name: str) -> None:
        self.objective = require_name("objective", objective)
        self.name = require_name("name", name)
        self.allowed = allowed
        self.slack = require_number("slack", slack, above=0)
        self._queue = VirtualQueue(step=require_number("step", step, above=0) / allowed)
        self._memory: PendingOutcomes[tuple[float] | tuple[float, str]] = PendingOutcomes()

    @abstractmethod
    def expected(self, situation: Situation) -> FloatArray:
        """Return the expected use of each arm; shape (arms,)."""

    @abstractmethod
    def optimistic(self, situation: Situation) -> FloatArray:
        """Return a plausible lower bound of the use, one standard deviation below; shape (arms,)."""

    @abstractmethod
    def used(self, outcome: float) -> float:
        """Return the use of a reported outcome."""

    @property
    def price(self) -> float:
        """Return the current price of a unit, in units of the preferences' sum."""
        return self._queue.price

    @property
    def debt(self) -> float:
        """Use above the allowed use so far; 0 if the target is kept."""
        return self._queue.debt

    def control(self, situation: Situation, choice: Choice) -> FloatArray:
        """Return the choice with arms priced by expected use, mixed with a choice among affordable arms."""
        if not self._queue.debt:
            return choice(situation)
        forced = self._queue.forced(self.slack)
        priced = situation.priced(self._queue.price * abs(situation.weights).sum() * self.expected(situation))
        if not forced:
            return choice(priced)
        optimistic = self.optimistic(situation)
        most = max(self.allowed, optimistic[situation.eligible].min())
        affordable = priced.narrowed(situation.eligible & (optimistic <= most))
        return (1.0 - forced) * choice(priced) + forced * choice(affordable)

    def effects(self, situation: Situation) -> Mapping[str, Any]:
        """Return price, debt, the forced part of the answer, and the expected use of every arm."""
        expected = dict(zip(situation.arms, self.expected(situation).tolist(), strict=True))
        return {**self._queue.facts(), "forced": self._queue.forced(self.slack), "expected": expected}

    def decided(self, record: DecisionRecord, predict: Predict) -> None:
        """Count the request at its expected use; after a fallback, at the allowed use."""
        expected = record.effects.get(self.name, {}).get("expected", {}).get(record.arm, self.allowed)
        self._memory.put(record.decision_key, (expected,))
        self._queue.take(expected - self.allowed)

    def learned(self, record: FeedbackRecord) -> None:
        """Replace the expected use by the reported one; after a retraction, the allowed use counts."""
        note = self._memory.get(record.decision_key)
        if note is None:
            return
        if self.objective in record.outcomes:
            now: tuple[float] | tuple[float, str] = (self.used(record.outcomes[self.objective]), record.group)
        elif record.values is None and note[1:] == (record.group,):
            now = (self.allowed,)
        else:
            return
        self._memory.put(record.decision_key, now)
        self._queue.take(now[0] - note[0])

    def state(self) -> Mapping[str, Any]:
        """Return the debt, and the counted use of recent requests."""
        return {"debt": self._queue.debt, "recent": self._memory.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from the result of :meth:`state`."""
        self._queue.debt = state["debt"]
        self._memory.restore(state["recent"])


def one_line(at_most: float | None, at_least: float | None) -> tuple[float, bool]:
    """Return the limit, and whether it is an upper one; raises InvalidArgumentError unless one is given."""
    if (at_most is None) == (at_least is None):
        raise InvalidArgumentError(f"give one of at_most = {at_most!r} and at_least = {at_least!r}")
    if at_least is None:
        return require_number("at_most", at_most), True
    return require_number("at_least", at_least), False
