"""Differences between the settings in the code and those in the store, when a router is opened again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from banditroute.core.arms import Price
from banditroute.core.log import ArmRecord, PreferencesRecord
from banditroute.core.spec import StoredRouter

OnChange: TypeAlias = Literal["keep", "apply", "refuse"]
"""What to do about differences: keep the stored settings, apply those of the code, or refuse to open."""

ON_CHANGE: tuple[OnChange, ...] = ("keep", "apply", "refuse")


@dataclass(slots=True)
class Differences:
    """What differs.

    Attributes:
        sentences: Each difference in one line.
        records: The changes of the stored settings that remove all differences that can be removed.
    """

    sentences: list[str] = field(default_factory=list)
    records: list[ArmRecord | PreferencesRecord] = field(default_factory=list)


def differences(
    stored: StoredRouter, given: Sequence[ArmRecord], weights: Mapping[str, float] | None, now_us: int
) -> Differences:
    """Compare the arms and preferences of a constructor with the stored ones; new arms are no difference.

    ``weights`` are None if the constructor names no preferences.
    """
    found = Differences()
    asked = {record.arm.name: record for record in given}
    for record in stored.arms:
        name = record.arm.name
        if name in asked:
            _compare(found, record, asked[name], now_us)
        elif record.status == "active":
            found.sentences.append(f"arm {name!r} is in the store and not in arms=")
            found.records.append(replace(record, status="draining", recorded_us=now_us))
    current = dict(stored.preferences.preferences)
    if weights is not None and current != dict(weights):
        found.sentences.append(f"preferences: stored {current}, given {dict(weights)}")
        found.records.append(PreferencesRecord(stored.preferences.version + 1, weights, now_us))
    return found


def _compare(found: Differences, stored: ArmRecord, given: ArmRecord, now_us: int) -> None:
    name, before, after = given.arm.name, stored.arm, given.arm
    record = stored
    # A price that is not given here may have been set at run time.
    if after.price is not None and before.price != after.price:
        found.sentences.append(
            f"price of arm {name!r}: stored {_shown(before.price)}, given {_shown(after.price)}"
        )
        record = replace(record, arm=replace(record.arm, price=after.price), price_effective_us=now_us)
    if before.max_output_tokens != after.max_output_tokens:
        limits = before.max_output_tokens, after.max_output_tokens
        found.sentences.append(f"max_output_tokens of arm {name!r}: stored {limits[0]}, given {limits[1]}")
        record = replace(record, arm=replace(record.arm, max_output_tokens=after.max_output_tokens))
    if dict(before.prior) != dict(after.prior):
        # What was learned began from the stored prior.
        found.sentences.append(
            f"prior of arm {name!r}: stored {dict(before.prior)}, given {dict(after.prior)} "
            "(only a new arm can get another prior)"
        )
    if stored.status != "active":
        found.sentences.append(f"arm {name!r} is in arms= and {stored.status} in the store")
        if stored.status == "draining":
            record = replace(record, status="active")
    if record is not stored:
        found.records.append(replace(record, recorded_us=now_us))


def _shown(price: Price | None) -> str:
    return "none" if price is None else f"{price.input:g}/{price.output:g} USD per million tokens"
