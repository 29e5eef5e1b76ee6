"""What defines a router, and what a store knows of one when it is opened."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from banditroute.objectives import Objective
from banditroute.records.log import ArmRecord, Position, PreferencesRecord, SnapshotRecord


@dataclass(frozen=True, slots=True)
class RouterSpec:
    """The shape of a router: what its log means.

    Attributes:
        name: Of the router, unique in its tenant.
        tenant: Who owns it; empty when there is only one.
        objectives: In order.
        dimension: Number of features without the intercept; None until the first vector.
        intercept: Whether a constant 1 is appended to each vector.
        x_max: Bound of the absolute value of each feature.
        policy: The policy's name and settings; it may change from one opening to the next.
    """

    name: str
    tenant: str
    objectives: tuple[Objective, ...]
    dimension: int | None
    intercept: bool
    x_max: float
    policy: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StoredRouter:
    """What a store held of a router when it was opened; for a new one, what the constructor gave.

    Attributes:
        spec: The stored shape; its policy is the one just given.
        secret: 32 bytes with which this router's ids are tagged.
        arms: In the order in which they were first added.
        preferences: The latest.
        snapshot: The newest good one; None if there is none.
        end: Where the log ends.
        created: Whether this opening created it.
    """

    spec: RouterSpec
    secret: bytes = field(repr=False)
    arms: tuple[ArmRecord, ...]
    preferences: PreferencesRecord
    snapshot: SnapshotRecord | None
    end: Position
    created: bool
