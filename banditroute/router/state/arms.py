"""The catalogue of a router's arms: their status and their prices."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np

from banditroute.core.arms import Arm, Price
from banditroute.core.arrays import BoolArray, FloatArray
from banditroute.core.log import ArmRecord
from banditroute.core.names import normal
from banditroute.core.objectives import Objectives
from banditroute.core.price_history import DatedPrice
from banditroute.core.shown import shown
from banditroute.core.spec import StoredRouter
from banditroute.core.validation import require_items
from banditroute.errors import InvalidArgumentError, NoEligibleArmError, UnknownArmError
from banditroute.router.state.prices import PriceHistory

MAX_ARMS = 10_000
RETIRED = "status retired"


class ArmCatalogue:
    """Arms in the order in which they were first added; an arm is never removed, its index is never re-used."""

    def __init__(self) -> None:
        self._positions: dict[str, int] = {}
        # These are derived from the records when they are needed, so that adding n arms takes O(n).
        self._inactive: dict[str, str] | None = None
        self._active: BoolArray | None = None
        self._names: tuple[str, ...] | None = None
        self._records: list[ArmRecord] = []
        self._prices: list[PriceHistory] = []
        self._factors: FloatArray | None = None
        self._factors_since_us = self._factors_until_us = -np.inf

    def __len__(self) -> int:
        return len(self._records)

    @property
    def names(self) -> tuple[str, ...]:
        """The arms in the order of every array."""
        if self._names is None:
            self._names = tuple(self._positions)
        return self._names

    def record(self, name: str) -> ArmRecord:
        """Return the latest record of the arm."""
        return self._records[self.position(name)]

    def position(self, name: str) -> int:
        """Return the arm's index in every array.

        Raises:
            UnknownArmError: if no arm has this name.
        """
        try:
            return self._positions[name]
        except (KeyError, TypeError):
            if isinstance(name, str) and (found := self._positions.get(normal(name))) is not None:
                return found
            known = ", ".join(sorted(self.names))
            raise UnknownArmError(f"unknown arm {shown(name, 80)}; this router has: {known}") from None

    def put(self, record: ArmRecord) -> None:
        """Add an arm or change it.

        Raises:
            InvalidArgumentError: if the router already has the maximum number of arms.
        """
        name = record.arm.name
        if name in self._positions:
            self._records[self.position(name)] = record
        else:
            if len(self) >= MAX_ARMS:
                raise InvalidArgumentError(f"a router has at most {MAX_ARMS} arms; {name!r} would be one more")
            self._positions[name] = len(self._records)
            self._names = None
            self._records.append(record)
            self._prices.append(PriceHistory())
        self._factors_until_us = -np.inf
        self._active = self._inactive = None
        if record.arm.price is not None:
            self._prices[self.position(name)].put(
                DatedPrice(record.price_effective_us, record.arm.price, record.recorded_us)
            )

    @property
    def active(self) -> BoolArray:
        """Which arms may serve; shape (arms,)."""
        if self._active is None:
            self._active = np.array([each.status == "active" for each in self._records])
        return self._active

    def adopt(self, stored: StoredRouter) -> None:
        """Add or update the arms of a store, with all their prices."""
        for record in stored.arms:
            self.put(record)
        for name, prices in stored.prices.items():
            self._prices[self.position(name)].replace(prices)
        self._factors_until_us = -np.inf

    def price(self, name: str, time_us: int) -> Price | None:
        """Return the arm's price at that time; None if it is not known."""
        return self._prices[self.position(name)].at(time_us)

    def price_factor(self, name: str, time_us: int) -> float:
        """Return the arm's price at that time, relative to the price at which its cost is learned."""
        return self._prices[self.position(name)].factor(time_us)

    def price_factors(self, now_us: int) -> FloatArray | None:
        """Return the price factors of all arms now, shape (arms,); None if all factors are 1."""
        # The cache is not valid for earlier times, to which a clock may jump back.
        if not self._factors_since_us <= now_us < self._factors_until_us:
            factors = np.array([history.factor(now_us) for history in self._prices])
            self._factors = None if (factors == 1.0).all() else factors
            self._factors_since_us = now_us
            self._factors_until_us = min(history.change_after(now_us) for history in self._prices)
        return self._factors

    def excluded(self, allowed: Collection[str] | None) -> dict[str, str]:
        """Return arm → the rule that excludes it: its status, or that the caller did not allow it.

        Raises:
            UnknownArmError: if ``allowed`` names an unknown arm.
        """
        if self._inactive is None:
            self._inactive = {
                each.arm.name: f"status {each.status}" for each in self._records if each.status != "active"
            }
        rules = dict(self._inactive)
        if allowed is not None:
            wanted = {self._final_successor(name) for name in self._checked(allowed)}
            rules |= {name: "not allowed" for name in self.names if name not in wanted and name not in rules}
        return rules

    def eligible(self, excluded: Mapping[str, str]) -> BoolArray:
        """Return which arms are not excluded; shape (arms,).

        Raises:
            NoEligibleArmError: if all are excluded.
        """
        if not excluded:
            return self.active
        mask = np.array([name not in excluded for name in self.names])
        if not mask.any():
            reasons = ", ".join(f"{name} ({rule})" for name, rule in list(excluded.items())[:5])
            raise NoEligibleArmError(f"no eligible arm of {len(self)}: {reasons}{', …' if len(self) > 5 else ''}")
        return mask

    def _checked(self, allowed: Collection[str]) -> Sequence[str]:
        if isinstance(allowed, str | bytes) or not isinstance(allowed, Iterable):
            raise InvalidArgumentError(f"allowed = {shown(allowed, 80)} must be a collection of arm names")
        return tuple(self.names[self.position(name)] for name in allowed)

    def _final_successor(self, name: str) -> str:
        """Return the arm that replaces ``name``: itself, or the last arm of its chain of successors."""
        seen = {name}
        while (
            (record := self.record(name)).status == "retired" and record.successor and record.successor not in seen
        ):
            name = record.successor
            seen.add(name)
        return name


def new_arm_record(arm: Arm, objectives: Objectives, *, now_us: int) -> ArmRecord:
    """Return the record of a new arm; its first price applies to all earlier times too.

    Raises:
        InvalidArgumentError: if it is not an arm, or its prior does not fit the objectives.
    """
    if not isinstance(arm, Arm):
        raise InvalidArgumentError(f"arms must be Arm objects, got {type(arm).__name__}")
    for objective, value in arm.prior.items():
        found = objectives[objectives.position(objective)]
        if not found.is_learnable(found.checked(value)):
            raise InvalidArgumentError(
                f"prior of arm {arm.name!r} gives {objective} = {value:g}, beyond the limit of "
                f"{found.limit:g} times {found.span:g}"
            )
    return ArmRecord(arm=arm, status="active", successor=None, price_effective_us=0, recorded_us=now_us)


def seed_records(arms: Iterable[Arm], objectives: Objectives, now_us: int) -> tuple[ArmRecord, ...]:
    """Return the records of the arms passed to a constructor.

    Raises:
        InvalidArgumentError: if there are none, two have the same name, or a prior does not fit.
    """
    if isinstance(arms, Arm):
        raise InvalidArgumentError(f"arms must be several, in a sequence; got just {arms.name!r}")
    records = tuple(new_arm_record(arm, objectives, now_us=now_us) for arm in require_items("arms", arms))
    if not records:
        raise InvalidArgumentError("a router needs at least one arm, got none")
    names = [record.arm.name for record in records]
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise InvalidArgumentError(f"arm names must be unique; given more than once: {', '.join(twice)}")
    return records
