"""A candidate of a replay: a policy, and the controllers around it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from banditroute.controllers import Controller
from banditroute.policies import Policy


@dataclass(frozen=True, slots=True)
class Candidate:
    """A policy with controllers, which have a state and so are made for every run.

    Attributes:
        policy: How to choose.
        controllers: Makes fresh controllers, the outermost first; for an executor of processes it must pickle.

    >>> from functools import partial
    >>> from banditroute import LinUCB
    >>> from banditroute.controllers import Budget
    >>> def budgets(usd: float) -> list[Controller]:
    ...     return [Budget(usd_per_request=usd)]
    >>> Candidate(LinUCB(), partial(budgets, 0.002)).controllers()[0].name
    'budget'
    """

    policy: Policy
    controllers: Callable[[], Sequence[Controller]] = tuple

    @classmethod
    def of(cls, given: "Policy | Candidate") -> "Candidate":
        """The candidate itself, or a policy without controllers."""
        return given if isinstance(given, Candidate) else cls(given)
