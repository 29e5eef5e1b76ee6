"""The account of a budget: each decision at its expected cost until its cost is reported, then at that."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from banditroute.controllers.budget.allowance import Allowance

OPEN_CHARGES = 4096


@dataclass(frozen=True, slots=True)
class Charge:
    """The cost at which one decision is counted.

    Attributes:
        arm: Its arm.
        factor: That arm's price when it was decided, relative to the price at which its dollars are learned.
        amounts: Of each resource.
        counted: Whether it is paid from the balance; history is not.
    """

    arm: str
    factor: float
    amounts: tuple[float, ...]
    counted: bool = True


class Account:
    """Balances of several resources.

    The last 4,096 charges can be corrected, by a bill or by its amendment; what is older stands as it is.

    Attributes:
        requests: How many were charged.
        balance: What was not spent of the income so far, of each resource; negative is a debt.
        spent: In all, of each resource.
    """

    def __init__(self, allowances: Sequence[Allowance], patience: int) -> None:
        self._allowances = tuple(allowances)
        self._most = [allowance.most_saved(patience) for allowance in allowances]
        self._patience = patience
        self._charges: OrderedDict[str, Charge] = OrderedDict()
        self.requests = 0
        self.balance = [0.0] * len(allowances)
        self.spent = [0.0] * len(allowances)

    def charge(self, body: bytes, charge: Charge, *, elapsed_s: float) -> None:
        """Take in the income of one more request, and pay what it is expected to cost, if it counts."""
        self._charges[body.hex()] = charge
        while len(self._charges) > OPEN_CHARGES:
            self._charges.popitem(last=False)
        if not charge.counted:
            return
        self.requests += 1
        for j, allowance in enumerate(self._allowances):
            saved = self.balance[j] + allowance.income(self.requests, elapsed_s)
            self.balance[j] = min(saved, self._most[j])
            self._pay(j, charge.amounts[j])

    def bill(self, body: bytes, amounts: Mapping[int, float]) -> None:
        """Correct what a decision was charged: position of the resource → what it really cost."""
        charge = self._charges[body.hex()]
        exact = tuple(amounts.get(j, amount) for j, amount in enumerate(charge.amounts))
        if charge.counted:
            for j in amounts:
                self._pay(j, exact[j] - charge.amounts[j])
        self._charges[body.hex()] = replace(charge, amounts=exact)

    def find(self, body: bytes) -> Charge | None:
        """The charge of a decision, if it is remembered."""
        return self._charges.get(body.hex())

    def allowances(self, gap_s: float) -> list[float]:
        """Return the allowance of the next request, by resource."""
        return [
            allowance.now(self.requests, gap_s, self.balance[j], self._patience)
            for j, allowance in enumerate(self._allowances)
        ]

    def usual(self, gap_s: float) -> list[float]:
        """The income with a request, of each resource."""
        return [allowance.income(1, gap_s) for allowance in self._allowances]

    def _pay(self, resource: int, amount: float) -> None:
        self.balance[resource] -= amount
        self.spent[resource] += amount

    def state(self) -> Mapping[str, Any]:
        """Balances, and the charges that can still be corrected."""
        return {
            "requests": self.requests,
            "balance": [*self.balance],
            "spent": [*self.spent],
            "charges": [[body, c.arm, c.factor, [*c.amounts], c.counted] for body, c in self._charges.items()],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from what :meth:`state` gave."""
        self.requests = state["requests"]
        self.balance, self.spent = [*state["balance"]], [*state["spent"]]
        self._charges = OrderedDict(
            (body, Charge(arm, factor, tuple(amounts), counted))
            for body, arm, factor, amounts, counted in state["charges"]
        )
