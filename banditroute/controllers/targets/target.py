"""A constraint on reported outcomes, kept by a price on the outcome that each arm is expected to have."""

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
    """Holds the average use of something at what is allowed, over all requests so far.

    An arm's utility is lowered by price × what it is expected to use, and the price follows a
    :class:`~banditroute.controllers.targets.virtual_queue.VirtualQueue`. A request counts with what was
    expected of it until
    its outcome is reported, so late feedback does not leave the price blind, and one without feedback counts
    with that for good.

    Where that is not enough, because new arms are tried at any price or the policy does not look at prices, the
    answer is mixed with the one among arms that plausibly keep the constraint: more of it from ``slack`` of debt
    on, nearly nothing else from twice that on. Plausibly, so that an arm that is known to be a little too much
    does not stand in the way of one that is not known yet. Where no arm does, the one that may use least takes
    their place, however good the others are.

    Args:
        objective: What is reported.
        allowed: What a request may use on average. > 0
        step: Of the price, for a debt of what one request is allowed; see
            :class:`~banditroute.controllers.targets.virtual_queue.VirtualQueue`. > 0
        slack: Debt from which on the answer is mixed, in units of use. > 0
        name: Its name among a router's controllers.
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
        """By how much more was used so far than all requests were allowed; 0 where the target is kept."""
        return self._queue.debt

    def control(self, situation: Situation, choice: Choice) -> FloatArray:
        """The choice where every arm costs what it uses, mixed with the one among those that may be afforded."""
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
        """Price, debt, the part of the answer that was forced, and what every arm is expected to use."""
        expected = dict(zip(situation.arms, self.expected(situation).tolist(), strict=True))
        return {**self._queue.facts(), "forced": self._queue.forced(self.slack), "expected": expected}

    def decided(self, record: DecisionRecord, predict: Predict) -> None:
        """Take the request for what was expected of it; after a fallback, for what it was allowed."""
        expected = record.effects.get(self.name, {}).get("expected", {}).get(record.arm, self.allowed)
        self._memory.put(record.decision_key, (expected,))
        self._queue.take(expected - self.allowed)

    def learned(self, record: FeedbackRecord) -> None:
        """Put what happened in the place of what was expected; an outcome taken back is allowed for again."""
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
        """The debt, and what recent requests are taken for."""
        return {"debt": self._queue.debt, "recent": self._memory.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from what :meth:`state` gave."""
        self._queue.debt = state["debt"]
        self._memory.restore(state["recent"])


def one_line(at_most: float | None, at_least: float | None) -> tuple[float, bool]:
    """The line, and whether more than it is bad; raises InvalidArgumentError unless there is exactly one."""
    if (at_most is None) == (at_least is None):
        raise InvalidArgumentError(f"give one of at_most = {at_most!r} and at_least = {at_least!r}")
    if at_least is None:
        return require_number("at_most", at_most), True
    return require_number("at_least", at_least), False
