"""The arms of one router as they stand now: who may serve, at what price."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from banditroute.arms import Arm, ArmStatus, Price
from banditroute.arrays import BoolArray, FloatArray
from banditroute.errors import InvalidArgumentError, NoEligibleArmError, UnknownArmError
from banditroute.records import ArmRecord

MAX_ARMS = 10_000


class Roster:
    """Arms in the order in which they were first added; an arm is never removed, its place is never re-used."""

    def __init__(self) -> None:
        self.names: tuple[str, ...] = ()
        self.active: BoolArray = np.zeros(0, dtype=bool)
        self._records: list[ArmRecord] = []
        self._reference: list[Price | None] = []
        self._scheduled: list[ArmRecord] = []
        self._factors: FloatArray | None = None
        self._due_us = np.inf

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
            return self.names.index(name)
        except ValueError:
            known = ", ".join(sorted(self.names))
            raise UnknownArmError(f"unknown arm {name!r}; this router has: {known}") from None

    def put(self, record: ArmRecord, *, now_us: int) -> bool:
        """Add an arm or change it; returns whether it is new. A price of the future waits for its time."""
        name = record.arm.name
        if name not in self.names:
            if len(self) >= MAX_ARMS:
                raise InvalidArgumentError(f"a router has at most {MAX_ARMS} arms; {name!r} would be one more")
            self.names = (*self.names, name)
            self._records.append(record)
            self._reference.append(record.arm.price)
            self._refresh()
            return True
        place = self.position(name)
        if record.price_effective_us > now_us:
            self._scheduled.append(record)
            self._due_us = min(self._due_us, record.price_effective_us)
            record = replace(record, arm=replace(record.arm, price=self._records[place].arm.price))
        if self._reference[place] is None:
            self._reference[place] = record.arm.price
        self._records[place] = record
        self._refresh()
        return False

    def price_factors(self, now_us: int) -> FloatArray | None:
        """Price of each arm relative to the price at which its dollars are learned; None while no price moved.

        Where input and output prices moved by different ratios, a request is taken to have three prompt tokens
        for each output token.
        """
        while now_us >= self._due_us:
            due = [r for r in self._scheduled if r.price_effective_us <= now_us]
            self._scheduled = [r for r in self._scheduled if r.price_effective_us > now_us]
            for record in due:
                place = self.position(record.arm.name)
                current = self._records[place]
                self._records[place] = replace(current, arm=replace(current.arm, price=record.arm.price))
            self._due_us = min((r.price_effective_us for r in self._scheduled), default=np.inf)
            self._refresh()
        return self._factors

    def price_factor(self, name: str, now_us: int) -> float:
        """The price factor of one arm; 1 while no price moved."""
        factors = self.price_factors(now_us)
        return 1.0 if factors is None else float(factors[self.position(name)])

    def excluded(self, allowed: Collection[str] | None) -> dict[str, str]:
        """Arm → the rule that keeps it out: its status, or that the caller did not allow it.

        Raises:
            UnknownArmError: if ``allowed`` names an arm that never was.
        """
        rules = {r.arm.name: f"status {r.status}" for r in self._records if r.status != "active"}
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

    def _checked(self, allowed: Collection[str]) -> Iterable[str]:
        if isinstance(allowed, str | bytes):
            raise InvalidArgumentError(f"allowed = {allowed!r} must be a collection of arm names, not one string")
        for name in allowed:
            self.position(name)
        return allowed

    def _heir(self, name: str) -> str:
        """The arm that stands in for ``name``: itself, or the end of its line of successors."""
        seen = {name}
        while (
            (record := self.record(name)).status == "retired" and record.successor and record.successor not in seen
        ):
            name = record.successor
            seen.add(name)
        return name

    def _refresh(self) -> None:
        self.active = np.array([record.status == "active" for record in self._records])
        pairs = zip(self._records, self._reference, strict=True)
        factors = np.array([_ratio(record.arm.price, reference) for record, reference in pairs])
        self._factors = None if (factors == 1.0).all() else factors


def _ratio(price: Price | None, reference: Price | None) -> float:
    if price is None or reference is None:
        return 1.0
    before = reference.cost_usd(prompt_tokens=3, output_tokens=1)
    return price.cost_usd(prompt_tokens=3, output_tokens=1) / before if before else 1.0


def arm_record(arm: Arm, *, status: ArmStatus = "active", successor: str | None = None, now_us: int) -> ArmRecord:
    """The record of an arm whose price counts from now."""
    return ArmRecord(arm=arm, status=status, successor=successor, price_effective_us=now_us, recorded_us=now_us)


def seed_records(arms: Sequence[Arm], now_us: int) -> tuple[ArmRecord, ...]:
    """The records of the arms that a constructor was given.

    Raises:
        InvalidArgumentError: if there are none, or two of one name.
    """
    if not arms:
        raise InvalidArgumentError("a router needs at least one arm, got none")
    for arm in arms:
        if not isinstance(arm, Arm):
            raise InvalidArgumentError(f"arms must be Arm objects, got {type(arm).__name__}")
    names = [arm.name for arm in arms]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InvalidArgumentError(f"arm names must be unique; given more than once: {', '.join(twice)}")
    return tuple(arm_record(arm, now_us=now_us) for arm in arms)
