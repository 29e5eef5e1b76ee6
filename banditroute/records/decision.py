"""What ``route`` answers."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, Literal, TypeAlias, TypeVar

Value = TypeVar("Value", covariant=True)

Mode: TypeAlias = Literal["live", "held", "fallback"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """What is expected of one objective, in its own unit.

    Attributes:
        mean: The expected value.
        width: One standard width of that mean, σ̂·‖x‖ in the norm of V⁻¹; a policy's ``alpha`` multiplies it.
    """

    mean: float
    width: float


class Table(Mapping[str, Value], Generic[Value]):
    """A read-only mapping that builds each value when it is asked for: most decisions are never looked into."""

    __slots__ = ("_build", "_keys")

    def __init__(self, keys: tuple[str, ...], build: Callable[[int], Value]) -> None:
        self._keys = keys
        self._build = build

    def __getitem__(self, key: str) -> Value:
        try:
            return self._build(self._keys.index(key))
        except ValueError:
            raise KeyError(key) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def __repr__(self) -> str:
        return repr(dict(self))


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """One choice of an arm, and everything that is known of why.

    Attributes:
        id: What ``feedback`` and ``why`` take; safe to hand to a client.
        arm: The arm to call.
        ranking: All eligible arms, the chosen one first, then by score: the order in which to fall back.
        propensity: Probability with which ``arm`` was chosen, over all randomness. (0, 1]
        probabilities: The same for every arm; 0 for those that were not eligible.
        expected: Arm → objective → :class:`Estimate`.
        preferences: The weights that were used.
        mode: ``"live"``; ``"held"`` for a deterministic hold; ``"fallback"`` after an internal fault.
        cause: In a word, why this arm: ``"policy"``, ``"fallback"``, ``"only"`` (one eligible arm).
        state_version: How many feedbacks had been learned from.
        created_at: Seconds since the epoch, UTC, by the router's clock.
    """

    id: str
    arm: str
    ranking: tuple[str, ...]
    propensity: float
    probabilities: Mapping[str, float]
    expected: Mapping[str, Mapping[str, Estimate]]
    preferences: Mapping[str, float]
    mode: Mode
    cause: str
    state_version: int
    created_at: float

    def __repr__(self) -> str:
        when = datetime.fromtimestamp(self.created_at, UTC).isoformat(timespec="seconds")
        return (
            f"Decision({self.arm!r}, propensity={self.propensity:.3f}, cause={self.cause!r}, {self.id!r}, {when})"
        )
