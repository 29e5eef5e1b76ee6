"""A candidate of a replay: a policy, and the controllers around it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from banditroute.controllers import Controller
from banditroute.policies import Policy


@dataclass(frozen=True, slots=True)
class Candidate:
    """A policy with controllers; every run gets new controllers, because they are stateful.

    Attributes:
        policy: The policy.
        controllers: Function that makes new controllers, the outermost first. It must be picklable for a process
            executor.

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
        """Return a candidate as it is, and wrap a policy as a candidate without controllers."""
        return given if isinstance(given, Candidate) else cls(given)
