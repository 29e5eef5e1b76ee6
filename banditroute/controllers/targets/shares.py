"""Shares of traffic: a minimum and a maximum for each arm."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from banditroute.controllers.base import Choice, Predict
from banditroute.controllers.targets.virtual_queue import VirtualQueue
from banditroute.core.arrays import FloatArray
from banditroute.core.log import DecisionRecord, FeedbackRecord
from banditroute.core.situation import Situation
from banditroute.core.validation import require_name, require_number
from banditroute.errors import InvalidArgumentError


class Shares:
    """Keeps each arm's share of requests above a minimum and below a maximum.

    Each bound has a :class:`~banditroute.controllers.targets.virtual_queue.VirtualQueue` of requests. Its
    price raises or lowers the arm's utility, so that a required arm is chosen where this costs least. If prices
    are not enough, or the policy ignores them, the answer is mixed with a forced one: it chooses the arm that is
    furthest below its minimum share, and excludes arms above their maximum share. The forced part grows from a
    debt of ``slack`` requests, and is nearly the whole answer from twice that debt. So an arm is seldom more than
    twice the slack outside its bound, whatever the policy; if many arms are below their minimum, each may take
    longer.

    A minimum share counts only requests that the arm may serve; a maximum share counts all requests.

    Args:
        min: Arm → minimum share. [0, 1]
        max: Arm → maximum share. [0, 1]
        slack: Debt from which the answer is mixed. [requests] > 0
        step: Step of the prices; see :class:`~banditroute.controllers.targets.virtual_queue.VirtualQueue`. > 0
        name: Name of this controller, unique in the router.
    """

    def __init__(
        self,
        *,
        min: Mapping[str, float] | None = None,  # noqa: A002  # the plain names of the bounds
        max: Mapping[str, float] | None = None,  # noqa: A002  # the same
        slack: float = 5.0,
        step: float = 0.1,
        name: str = "shares",
    ) -> None:
        self.min, self.max = _checked("min", min), _checked("max", max)
        _check_together(self.min, self.max)
        self.slack = require_number("slack", slack, above=0)
        self.name = require_name("name", name)
        self._least = {arm: VirtualQueue(step=step) for arm in self.min}
        self._most = {arm: VirtualQueue(step=step) for arm in self.max}

    def control(self, situation: Situation, choice: Choice) -> FloatArray:
        """Return the choice at the arms' prices, mixed with a forced one if debts are large."""
        price = np.zeros(len(situation.arms))
        for i, arm in enumerate(situation.arms):
            price[i] = self._price(arm)
        free = choice(situation.priced(price * abs(situation.weights).sum()) if price.any() else situation)
        forced = self._forced(situation)
        if not forced:
            return free
        return (1.0 - forced) * free + forced * self._corrected(situation, choice)

    def effects(self, situation: Situation) -> Mapping[str, Any]:
        """Return price and debt of every bound with a debt, and the forced part of the answer."""
        return {
            "least": {arm: queue.facts() for arm, queue in self._least.items() if queue.price or queue.debt},
            "most": {arm: queue.facts() for arm, queue in self._most.items() if queue.price or queue.debt},
            "forced": self._forced(situation),
        }

    def decided(self, record: DecisionRecord, predict: Predict) -> None:
        """Update the queue of every bound."""
        for arm, queue in self._least.items():
            if arm in record.arms and arm not in record.excluded:
                queue.take(self.min[arm] - (arm == record.arm))
        for arm, queue in self._most.items():
            queue.take((arm == record.arm) - self.max[arm])

    def learned(self, record: FeedbackRecord) -> None:
        """Do nothing: outcomes do not affect shares."""

    def state(self) -> Mapping[str, Any]:
        """Return the debt of every bound."""
        return {
            "least": {arm: queue.debt for arm, queue in self._least.items()},
            "most": {arm: queue.debt for arm, queue in self._most.items()},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from the result of :meth:`state`; bounds that are not in it start without debt."""
        for queues, states in ((self._least, state["least"]), (self._most, state["most"])):
            for arm, queue in queues.items():
                queue.debt = states.get(arm, 0.0)

    def _price(self, arm: str) -> float:
        return (self._most[arm].price if arm in self._most else 0.0) - (
            self._least[arm].price if arm in self._least else 0.0
        )

    def _debt(self, queues: Mapping[str, VirtualQueue], arm: str) -> float:
        return queues[arm].debt if arm in queues else 0.0

    def _forced(self, situation: Situation) -> float:
        """Return the forced part of the answer, by the largest debt of an eligible arm."""
        able = {arm for arm, may in zip(situation.arms, situation.eligible.tolist(), strict=True) if may}
        queues = [queue for bounds in (self._least, self._most) for arm, queue in bounds.items() if arm in able]
        return max((queue.forced(self.slack) for queue in queues), default=0.0)

    def _corrected(self, situation: Situation, choice: Choice) -> FloatArray:
        """Choose the arm furthest below its minimum; if none lags, choose among the arms within their maximum."""
        lags = np.array([self._debt(self._least, arm) for arm in situation.arms]) * situation.eligible
        if lags.max() > self.slack:
            certain: FloatArray = (np.arange(len(lags)) == lags.argmax()).astype(np.float64)
            return certain
        beyond = np.array([self._debt(self._most, arm) > self.slack for arm in situation.arms])
        left = situation.eligible & ~beyond
        return choice(situation.narrowed(left) if left.any() else situation)


def _checked(name: str, shares: Mapping[str, float] | None) -> dict[str, float]:
    return {
        arm: require_number(f"{name} share of arm {arm!r}", share, least=0, most=1)
        for arm, share in (shares or {}).items()
    }


def _check_together(least: Mapping[str, float], most: Mapping[str, float]) -> None:
    if not least and not most:
        raise InvalidArgumentError("Shares needs the share of an arm, in min or in max")
    if sum(least.values()) > 1:
        raise InvalidArgumentError(f"min shares sum to {sum(least.values()):g}, which is more than 1")
    for arm in least.keys() & most.keys():
        if least[arm] > most[arm]:
            raise InvalidArgumentError(
                f"min share of arm {arm!r} = {least[arm]:g} is above its max = {most[arm]:g}"
            )
