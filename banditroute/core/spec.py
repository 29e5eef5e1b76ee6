"""The definition of a router, and what a store returns when it is opened."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass
from typing import Any

from banditroute.core.arms import MAX_NAME
from banditroute.core.log import ArmRecord, Position, PreferencesRecord, SnapshotRecord
from banditroute.core.names import checked_name
from banditroute.core.numbers import as_integer
from banditroute.core.objectives import Objective, Objectives
from banditroute.core.price_history import DatedPrice
from banditroute.core.shown import shown
from banditroute.core.validation import require_bool, require_number
from banditroute.errors import InvalidArgumentError

MAX_SOURCE = 200
"""Longest name of a source."""

MAX_DIMENSION = 4096
# Squares of features are summed in int64: where all lie at the bound, two million rows of one group fit.
MAX_FEATURE = 64.0


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
        feature_names: Names of the features, in order; None if they have none.
        source_caps: Source → the largest share of all learned feedback that may come from it; it may change from
            one opening to the next.
        is_clipped: Whether outcomes of the log may have been learned clipped to their bounds, as in an earlier
            release.
    """

    name: str
    tenant: str
    objectives: tuple[Objective, ...]
    dimension: int | None
    intercept: bool
    x_max: float
    policy: Mapping[str, Any]
    feature_names: tuple[str, ...] | None = None
    source_caps: Mapping[str, float] = field(default_factory=dict)
    is_clipped: bool = False

    @classmethod
    def of(
        cls,
        name: str,
        tenant: str,
        objectives: Objectives,
        features: int | Sequence[str] | None,
        *,
        intercept: bool,
        x_max: float,
        policy: object,
        source_caps: Mapping[str, float] | None = None,
    ) -> "RouterSpec":
        """Check a constructor's arguments and make them a spec.

        Raises:
            InvalidArgumentError: for one that breaks its rule.
        """
        name = checked_name("router name", name, longest=MAX_NAME)
        tenant = "" if tenant == "" else checked_name("router tenant", tenant, longest=MAX_NAME)
        names = _names(features)
        x_max = require_number("x_max", x_max, above=0, most=MAX_FEATURE)
        if isinstance(policy, type) or not callable(getattr(policy, "probabilities", None)):
            raise InvalidArgumentError(f"policy must be a policy object, like LinUCB(), got {shown(policy, 80)}")
        settings = asdict(policy) if is_dataclass(policy) and not isinstance(policy, type) else {}
        return cls(
            name=name,
            tenant=tenant,
            objectives=tuple(objectives),
            dimension=_dimension(features) if names is None else len(names),
            intercept=require_bool("intercept", intercept),
            x_max=float(x_max),
            policy={"name": type(policy).__name__, **settings},
            feature_names=names,
            source_caps=_caps({} if source_caps is None else source_caps),
        )


def _caps(given: Mapping[str, float]) -> dict[str, float]:
    if not isinstance(given, Mapping):
        raise InvalidArgumentError(f"source_caps must map sources to shares, got {type(given).__name__}")
    return {
        checked_name("source", source, longest=MAX_SOURCE): require_number(
            f"source_caps[{shown(source, 40)}]", share, above=0, most=1
        )
        for source, share in given.items()
    }


def _names(features: int | Sequence[str] | None) -> tuple[str, ...] | None:
    """Return the names of the features, or None for a count."""
    if features is None or isinstance(features, str | bytes) or not isinstance(features, Sequence):
        return None
    names = tuple(checked_name("feature name", name, longest=MAX_NAME) for name in features)
    if not 0 < len(names) <= MAX_DIMENSION:
        raise InvalidArgumentError(f"features must be 1 to {MAX_DIMENSION} names, got {len(names)}")
    if len(set(names)) < len(names):
        raise InvalidArgumentError("feature names must be unique")
    return names


def _dimension(features: int | Sequence[str] | None) -> int | None:
    if features is None:
        return None
    count = as_integer(features)
    if count is None:
        raise InvalidArgumentError(f"features must be a count or names, got {type(features).__name__}")
    if not 0 < count <= MAX_DIMENSION:
        raise InvalidArgumentError(f"features = {count} must be 1 to {MAX_DIMENSION}, or that many names")
    return count


@dataclass(frozen=True, slots=True)
class StoredRouter:
    """The stored state of a router at its opening; for a new one, the arguments of the constructor.

    Attributes:
        spec: The stored shape; its policy is the one just given.
        secret: 32 bytes with which this router's ids are tagged.
        accepted: Other secrets whose ids are valid: replaced ones, and those of workers that opened while the
            database was unavailable.
        arms: In the order in which they were first added.
        preferences: The latest.
        snapshot: The newest valid one; None if there is none.
        end: Where the log ends.
        created: Whether this opening created it.
        prices: Arm → all its prices, oldest first.
        revision: Changes with every change of arms, prices, preferences, dimension or horizon.
        horizon_us: Decisions from before it were deleted with their feedback [us]; 0 if nothing was.
    """

    spec: RouterSpec
    secret: bytes = field(repr=False)
    arms: tuple[ArmRecord, ...]
    preferences: PreferencesRecord
    snapshot: SnapshotRecord | None
    end: Position
    created: bool
    prices: Mapping[str, Sequence[DatedPrice]] = field(default_factory=dict, compare=False)
    revision: int = field(default=0, compare=False)
    horizon_us: int = 0
    accepted: tuple[bytes, ...] = field(default=(), repr=False, compare=False)
