"""The price of a constraint, learned from how it is kept."""

from collections.abc import Mapping

from banditroute.controllers.checks import require_above_zero

HIGHEST_PRICE = 50.0


class VirtualQueue:
    """A virtual queue with its price: what stands in it is by how much a constraint is broken so far.

    With g what a request used beyond what it was allowed, the debt is Q ← max(0, Q + g), as of a queue that is
    served faster than it fills, and its price λ ← max(0, λ + η (g + Q / H)): the stochastic dual ascent step, by which
    λ finds the multiplier of the constraint, with the debt so far to be paid back over H requests. Without that
    second term, what was overdrawn while λ was being found would never be paid back.

    Args:
        step: η, how much one unit beyond what is allowed raises the price. > 0
        horizon: H, over how many requests a debt is paid back. > 0

    Attributes:
        price: λ, per unit, in units of the preferences' sum. [0, 50]
        debt: Q, in units of the constraint. ≥ 0

    References:
        Neely, "Stochastic network optimization", 2010, chapter 4 (virtual queues); Agrawal & Devanur, "Linear
        contextual bandits with knapsacks", 2016 (the dual by online learning).
    """

    def __init__(self, *, step: float, horizon: float) -> None:
        self.step = require_above_zero("step", step)
        self.horizon = require_above_zero("horizon", horizon)
        self.price, self.debt = 0.0, 0.0

    def take(self, excess: float) -> None:
        """A request that used so much more, or less, than it was allowed."""
        self._move(excess, excess + self.debt / self.horizon)

    def correct(self, difference: float) -> None:
        """What was taken for a request is now known to be so much more, or less."""
        self._move(difference, difference)

    def _move(self, excess: float, push: float) -> None:
        self.price = min(max(self.price + self.step * push, 0.0), HIGHEST_PRICE)
        self.debt = max(self.debt + excess, 0.0)

    def state(self) -> list[float]:
        """Price and debt, fit for JSON."""
        return [self.price, self.debt]

    def restore(self, state: list[float]) -> None:
        """Continue from what :meth:`state` gave."""
        self.price, self.debt = state

    def facts(self) -> Mapping[str, float]:
        """For ``why``."""
        return {"price": self.price, "debt": self.debt}
