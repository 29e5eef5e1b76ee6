"""Evidence weights: powers of two by which sums of past epochs are multiplied when they are read.

Stored sums never change weight; the weight is applied when they are read. The rows of an arm and group up to some
epoch can count for a half, a quarter or an eighth (after a drift), and an arm can also read the rows of its
predecessor with such a weight. For example, 64 rows with 2 halvings count as 16 rows; 3 more halvings of the same
epochs leave 2 rows. A weight of 2⁻ᵏ is a shift of integers, so a weighted sum has the same bits on every machine,
and subtracting a row from its epoch gives the weighted sum of the other rows.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from banditroute.core.log import StateKey
from banditroute.errors import InvalidArgumentError
from banditroute.learning.sums.exact import ExactSums
from banditroute.learning.sums.table import BASE_EPOCH, SumsTable

MAX_HALVINGS = 40
"""The largest number of halvings. More would leave almost nothing of a sum in int64, so older epochs need no
separate weight."""


class _Step(NamedTuple):
    last: int
    """The last epoch to which the step applies."""
    halvings: int
    """How often the weight of these epochs is halved."""


class _Inheritance(NamedTuple):
    successor: str
    predecessor: str
    group: str
    halvings: int


class EvidenceWeights:
    """The weights of a router's sums, by arm, objective group and epoch.

    >>> weights = EvidenceWeights()
    >>> weights.discount("a", "quality", last=4, times=3)
    >>> weights.discount("a", "quality", last=6, times=1)
    >>> [weights.halvings(StateKey("a", "quality", epoch)) for epoch in (4, 5, 6, 7)]
    [4, 1, 1, 0]
    """

    def __init__(self) -> None:
        self._steps: dict[tuple[str, str], list[_Step]] = {}
        self._inheritances: list[_Inheritance] = []

    def discount(self, arm: str, group: str, *, last: int, times: int) -> None:
        """Halve the weight of an arm's rows of one group, up to epoch ``last``, ``times`` times.

        Raises:
            InvalidArgumentError: if ``times`` is not from 1 to 40.
        """
        if not 1 <= times <= MAX_HALVINGS:
            raise InvalidArgumentError(f"halvings = {times!r} is outside [1, {MAX_HALVINGS}]")
        steps = self._steps.setdefault((arm, group), [])
        if steps and steps[-1].last >= last:
            times += steps.pop().halvings
        steps.append(_Step(last, times))
        while len(steps) > 1 and sum(step.halvings for step in steps[1:]) >= MAX_HALVINGS:
            del steps[0]
        # Inherited rows are older than all rows of the successor, so they are discounted too.
        self._inheritances = [
            each._replace(halvings=min(each.halvings + times, MAX_HALVINGS))
            if (each.successor, each.group) == (arm, group)
            else each
            for each in self._inheritances
        ]

    def inherit(self, successor: str, predecessor: str, group: str, *, halvings: int) -> None:
        """Let an arm also read the rows of another one, with weight 2⁻ʰ, h = ``halvings``.

        Raises:
            InvalidArgumentError: if the predecessor inherits from the successor: inheritance must not be circular.
        """
        if successor == predecessor or successor in self._predecessors(predecessor, group):
            raise InvalidArgumentError(
                f"arm {successor!r} cannot inherit from {predecessor!r}, which inherits from it"
            )
        self._inheritances.append(_Inheritance(successor, predecessor, group, min(halvings, MAX_HALVINGS)))

    def halvings(self, key: StateKey) -> int:
        """Return how often the weight of these sums was halved."""
        # The hot path: most routers never discount anything.
        steps = self._steps and self._steps.get((key.arm, key.group))
        if not steps:
            return 0
        return min(sum(step.halvings for step in steps if key.epoch <= step.last), MAX_HALVINGS)

    def first_epoch_with_same_weight(self, key: StateKey) -> int:
        """Return the first epoch with the same weight as this one, into which it can be merged without loss."""
        steps = self._steps.get((key.arm, key.group), ())
        return max((step.last + 1 for step in steps if step.last < key.epoch), default=BASE_EPOCH)

    def total(self, table: SumsTable, arm: str, group: str) -> ExactSums:
        """Return the weighted sums of one arm and group, including inherited ones, as new sums."""
        total = self._own(table, arm, group)
        for each in self._inheritances:
            if (each.successor, each.group) == (arm, group):
                total.merge(self.total(table, each.predecessor, group).halved(each.halvings))
        return total

    def pooled(self, table: SumsTable, group: str) -> ExactSums:
        """Return the weighted sums of one group over all arms, each row once, as new sums."""
        if not self._steps:
            return table.pooled(group)
        total = ExactSums(table.dimension, table.groups[group])
        for arm in dict.fromkeys(key.arm for key in table.keys if key.group == group):
            total.merge(self._own(table, arm, group))
        return total

    def state(self) -> Mapping[str, Any]:
        """Return all weights as a mapping for JSON."""
        return {
            "steps": [[*key, *step] for key, steps in self._steps.items() for step in steps],
            "bequests": [list(each) for each in self._inheritances],
        }

    def restore(self, state: Mapping[str, Sequence[Any]]) -> None:
        """Continue from the result of :meth:`state`."""
        self._steps = {}
        for arm, group, last, halvings in state["steps"]:
            self._steps.setdefault((arm, group), []).append(_Step(last, halvings))
        self._inheritances = [_Inheritance(*each) for each in state["bequests"]]

    def _own(self, table: SumsTable, arm: str, group: str) -> ExactSums:
        if (arm, group) not in self._steps:
            return table.totals(arm, group)
        total = ExactSums(table.dimension, table.groups[group])
        for epoch, sums in table.by_epoch(arm, group).items():
            total.merge(sums.halved(self.halvings(StateKey(arm, group, epoch))))
        return total

    def _predecessors(self, arm: str, group: str) -> set[str]:
        direct = {each.predecessor for each in self._inheritances if (each.successor, each.group) == (arm, group)}
        return direct.union(*(self._predecessors(predecessor, group) for predecessor in direct))
