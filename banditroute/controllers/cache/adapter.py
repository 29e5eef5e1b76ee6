"""An adapter: its size and its load times."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from banditroute.core.validation import set_number
from banditroute.errors import InvalidArgumentError


class Level(IntEnum):
    """The memory that holds an adapter; a lower level is faster."""

    GPU = 0
    HOST = 1
    DISK = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """Size and load times of one arm.

    Attributes:
        load_s: Time to bring it from disk to the GPU. [s] ≥ 0
        host_load_s: Time to bring it from host memory to the GPU; by default the same. [s] ≥ 0
        size: Size in the unit of the capacity (slots or bytes). > 0
    """

    load_s: float
    host_load_s: float | None = None
    size: float = 1.0

    def __post_init__(self) -> None:
        set_number(self, "load_s", least=0)
        if self.host_load_s is not None:
            set_number(self, "host_load_s", least=0)
        set_number(self, "size", above=0)

    def seconds_from(self, level: Level) -> float:
        """Return the time until it serves from the GPU [s]."""
        if level is Level.GPU:
            return 0.0
        return self.load_s if level is Level.DISK or self.host_load_s is None else self.host_load_s


def checked_adapters(adapters: Mapping[str, Adapter], capacity: float) -> dict[str, Adapter]:
    """Return a copy of the adapters; raises InvalidArgumentError if it is empty or no adapter fits."""
    if not adapters:
        raise InvalidArgumentError("adapters must name at least one arm")
    if not (isinstance(capacity, int | float) and min(a.size for a in adapters.values()) <= capacity < math.inf):
        raise InvalidArgumentError(
            f"capacity = {capacity!r} must be finite and hold at least the smallest adapter"
        )
    return dict(adapters)
