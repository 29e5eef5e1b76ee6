"""The account of a budget: counts a decision at its expected cost until its actual cost is reported."""

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
        arm: The chosen arm.
        factor: Price of the arm at the decision, relative to the price at which its cost is learned.
        amounts: Cost in each resource.
        counted: Whether it is paid from the balance; False for decisions before the budget began.
    """

    arm: str
    factor: float
    amounts: tuple[float, ...]
    counted: bool = True


class Account:
    """Balances of several resources.

    The last 4,096 charges can be corrected by reported costs and their amendments; older charges cannot.

    Attributes:
        requests: Number of charged requests.
        balance: Income minus cost so far, for each resource; a negative balance is a debt.
        spent: Total cost, for each resource.
    """

    def __init__(self, allowances: Sequence[Allowance], patience: int) -> None:
        self._allowances = tuple(allowances)
        self._most = [allowance.most_saved(patience) for allowance in allowances]
        self._patience = patience
        self._charges: OrderedDict[str, Charge] = OrderedDict()
        self.requests = 0
        self.balance = [0.0] * len(allowances)
        self.spent = [0.0] * len(allowances)

    def charge(self, decision_key: bytes, charge: Charge, *, elapsed_s: float) -> None:
        """Add the income of one request, and pay its expected cost, if the charge is counted."""
        self._charges[decision_key.hex()] = charge
        while len(self._charges) > OPEN_CHARGES:
            self._charges.popitem(last=False)
        if not charge.counted:
            return
        self.requests += 1
        for j, allowance in enumerate(self._allowances):
            saved = self.balance[j] + allowance.income(self.requests, elapsed_s)
            self.balance[j] = min(saved, self._most[j])
            self._pay(j, charge.amounts[j])

    def bill(self, decision_key: bytes, amounts: Mapping[int, float]) -> None:
        """Correct the charge of a decision; ``amounts`` maps the position of a resource to its actual cost."""
        charge = self._charges[decision_key.hex()]
        exact = tuple(amounts.get(j, amount) for j, amount in enumerate(charge.amounts))
        if charge.counted:
            for j in amounts:
                self._pay(j, exact[j] - charge.amounts[j])
        self._charges[decision_key.hex()] = replace(charge, amounts=exact)

    def find(self, decision_key: bytes) -> Charge | None:
        """Return the charge of a decision; None if it is not kept."""
        return self._charges.get(decision_key.hex())

    def allowances(self, gap_s: float) -> list[float]:
        """Return the allowance of the next request, by resource."""
        return [
            allowance.now(self.requests, gap_s, self.balance[j], self._patience)
            for j, allowance in enumerate(self._allowances)
        ]

    def usual(self, gap_s: float) -> list[float]:
        """Return the income per request, by resource."""
        return [allowance.income(1, gap_s) for allowance in self._allowances]

    def _pay(self, resource: int, amount: float) -> None:
        self.balance[resource] -= amount
        self.spent[resource] += amount

    def state(self) -> Mapping[str, Any]:
        """Return the balances, and the charges that can still be corrected."""
        return {
            "requests": self.requests,
            "balance": [*self.balance],
            "spent": [*self.spent],
            "charges": [[key, c.arm, c.factor, [*c.amounts], c.counted] for key, c in self._charges.items()],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from the result of :meth:`state`."""
        self.requests = state["requests"]
        self.balance, self.spent = [*state["balance"]], [*state["spent"]]
        self._charges = OrderedDict(
            (key, Charge(arm, factor, tuple(amounts), counted))
            for key, arm, factor, amounts, counted in state["charges"]
        )
