"""The catalogue of a router's arms: their status and their prices."""

from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np

from banditroute.core.arms import Arm, Price
from banditroute.core.arrays import BoolArray, FloatArray
from banditroute.core.log import ArmRecord
from banditroute.core.objectives import Objectives
from banditroute.core.spec import StoredRouter
from banditroute.errors import InvalidArgumentError, NoEligibleArmError, UnknownArmError
from banditroute.router.state.prices import PriceHistory

MAX_ARMS = 10_000
RETIRED = "status retired"


class ArmCatalogue:
    """Arms in the order in which they were first added; an arm is never removed, its place is never re-used."""

    def __init__(self) -> None:
        self.names: tuple[str, ...] = ()
        self._positions: dict[str, int] = {}
        self._inactive: dict[str, str] = {}
        self.active: BoolArray = np.zeros(0, dtype=bool)
        self._records: list[ArmRecord] = []
        self._prices: list[PriceHistory] = []
        self._factors: FloatArray | None = None
        self._factors_since_us = self._factors_until_us = -np.inf

    def __len__(self) -> int:
        return len(self.names)

    def record(self, name: str) -> ArmRecord:
        """The latest record of the arm."""
        return self._records[self.position(name)]

    def position(self, name: str) -> int:
        """Place of the arm in every array.

        Raises:
            UnknownArmError: if there is none of that name.
        """
        try:
            return self._positions[name]
        except (KeyError, TypeError):
            known = ", ".join(sorted(self.names))
            raise UnknownArmError(f"unknown arm {name!r:.80}; this router has: {known}") from None

    def put(self, record: ArmRecord) -> None:
        """Add an arm or change it.

        Raises:
            InvalidArgumentError: if it would be one too many.
        """
        name = record.arm.name
        if name in self._positions:
            self._records[self.position(name)] = record
        else:
            if len(self) >= MAX_ARMS:
                raise InvalidArgumentError(f"a router has at most {MAX_ARMS} arms; {name!r} would be one more")
            self._positions[name] = len(self.names)
            self.names = (*self.names, name)
            self._records.append(record)
            self._prices.append(PriceHistory())
        self._factors_until_us = -np.inf
        self.active = np.array([each.status == "active" for each in self._records])
        self._inactive = {
            each.arm.name: f"status {each.status}" for each in self._records if each.status != "active"
        }
        if record.arm.price is not None:
            self.put_price(name, record.arm.price, since_us=record.price_effective_us)

    def adopt(self, stored: StoredRouter) -> None:
        """Take over the arms of a store, with all their prices."""
        for record in stored.arms:
            self.put(record)
        for name, prices in stored.prices.items():
            for since_us, price in prices:
                self.put_price(name, price, since_us=since_us)

    def put_price(self, name: str, price: Price, *, since_us: int) -> None:
        """Let a price count from ``since_us`` on."""
        self._prices[self.position(name)].put(price, since_us=since_us)
        self._factors_until_us = -np.inf

    def price(self, name: str, time_us: int) -> Price | None:
        """Return the arm's price at that time; None if it is not known."""
        return self._prices[self.position(name)].at(time_us)

    def price_factor(self, name: str, time_us: int) -> float:
        """Price of an arm at that time, relative to the price at which its dollars are learned."""
        return self._prices[self.position(name)].factor(time_us)

    def price_factors(self, now_us: int) -> FloatArray | None:
        """The price factors of all arms now, shape (arms,); None while no price moved."""
        # Not for the time before, to which a clock may jump back.
        if not self._factors_since_us <= now_us < self._factors_until_us:
            factors = np.array([history.factor(now_us) for history in self._prices])
            self._factors = None if (factors == 1.0).all() else factors
            self._factors_since_us = now_us
            self._factors_until_us = min(history.change_after(now_us) for history in self._prices)
        return self._factors

    def excluded(self, allowed: Collection[str] | None) -> dict[str, str]:
        """Arm → the rule that keeps it out: its status, or that the caller did not allow it.

        Raises:
            UnknownArmError: if ``allowed`` names an arm that never was.
        """
        rules = dict(self._inactive)
        if allowed is not None:
            wanted = {self._heir(name) for name in self._checked(allowed)}
            rules |= {name: "not allowed" for name in self.names if name not in wanted and name not in rules}
        return rules

    def eligible(self, excluded: Mapping[str, str]) -> BoolArray:
        """Which arms are left; shape (arms,).

        Raises:
            NoEligibleArmError: if none is.
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
            raise InvalidArgumentError(f"allowed = {allowed!r:.80} must be a collection of arm names")
        names = tuple(allowed)
        for name in names:
            self.position(name)
        return names

    def _heir(self, name: str) -> str:
        """The arm that stands in for ``name``: itself, or the end of its line of successors."""
        seen = {name}
        while (
            (record := self.record(name)).status == "retired" and record.successor and record.successor not in seen
        ):
            name = record.successor
            seen.add(name)
        return name


def new_arm_record(arm: Arm, objectives: Objectives, *, now_us: int) -> ArmRecord:
    """The record of a new arm; its first price counts from ever.

    Raises:
        InvalidArgumentError: if it is no arm, or its prior does not fit the objectives.
    """
    if not isinstance(arm, Arm):
        raise InvalidArgumentError(f"arms must be Arm objects, got {type(arm).__name__}")
    for objective, value in arm.prior.items():
        objectives[objectives.position(objective)].checked(value)
    return ArmRecord(arm=arm, status="active", successor=None, price_effective_us=0, recorded_us=now_us)


def seed_records(arms: Iterable[Arm], objectives: Objectives, now_us: int) -> tuple[ArmRecord, ...]:
    """The records of the arms that a constructor was given.

    Raises:
        InvalidArgumentError: if there are none, or two of one name, or one whose prior does not fit.
    """
    if isinstance(arms, Arm):
        raise InvalidArgumentError(f"arms must be several, in a sequence; got just {arms.name!r}")
    records = tuple(new_arm_record(arm, objectives, now_us=now_us) for arm in arms)
    if not records:
        raise InvalidArgumentError("a router needs at least one arm, got none")
    names = [record.arm.name for record in records]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidArgumentError(f"arm names must be unique; given more than once: {', '.join(twice)}")
    return records
