"""Settings of the controllers that price what is loaded where: caches of adapters, and sessions."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from banditroute.controllers import (
    Adapter,
    AdapterLoad,
    DoublingEpochs,
    EpochCache,
    FixedEpochs,
    LFUCache,
    LRUCache,
    PromptCache,
    Session,
    StaticCache,
)
from banditroute.integrations.settings.base import Settings


class AdapterSettings(Settings):
    """As :class:`~banditroute.controllers.Adapter`."""

    builds: ClassVar[type] = Adapter
    load_s: float
    host_load_s: float | None = None
    size: float = 1.0


class FixedEpochsSettings(Settings):
    """As :class:`~banditroute.controllers.FixedEpochs`."""

    builds: ClassVar[type] = FixedEpochs
    kind: Literal["fixed"]
    requests: int = 200


class DoublingEpochsSettings(Settings):
    """As :class:`~banditroute.controllers.DoublingEpochs`."""

    builds: ClassVar[type] = DoublingEpochs
    kind: Literal["doubling"]
    first: int = 64
    forced: float = 0.02
    repeats: int = 16


class _CacheSettings(Settings):
    """The keys of all caches."""

    adapters: dict[str, AdapterSettings]
    capacity: float
    utility_per_second: float
    initial: list[str] | None = None


class StaticCacheSettings(_CacheSettings):
    """As :class:`~banditroute.controllers.StaticCache`, without a source of the residents."""

    builds: ClassVar[type] = StaticCache
    kind: Literal["static_cache"]


class LRUCacheSettings(_CacheSettings):
    """As :class:`~banditroute.controllers.LRUCache`, without a source of the residents."""

    builds: ClassVar[type] = LRUCache
    kind: Literal["lru_cache"]


class LFUCacheSettings(_CacheSettings):
    """As :class:`~banditroute.controllers.LFUCache`, without a source of the residents."""

    builds: ClassVar[type] = LFUCache
    kind: Literal["lfu_cache"]


class EpochCacheSettings(_CacheSettings):
    """As :class:`~banditroute.controllers.EpochCache`, without a source of the residents."""

    builds: ClassVar[type] = EpochCache
    kind: Literal["epoch_cache"]
    epochs: Annotated[FixedEpochsSettings | DoublingEpochsSettings, Field(discriminator="kind")] | None = None
    optimism: float = 0.25
    host_capacity: float = 0.0
    window: int = 1024
    seed: int = 0


class PromptCacheSettings(Settings):
    """As :class:`~banditroute.controllers.PromptCache`."""

    builds: ClassVar[type] = PromptCache
    kind: Literal["prompt_cache"]
    saving: dict[str, float]
    utility_per_usd: float | None = None


class AdapterLoadSettings(Settings):
    """As :class:`~banditroute.controllers.AdapterLoad`."""

    builds: ClassVar[type] = AdapterLoad
    kind: Literal["adapter_load"]
    seconds: dict[str, float]
    utility_per_second: float


class SessionSettings(Settings):
    """As :class:`~banditroute.controllers.Session`."""

    builds: ClassVar[type] = Session
    kind: Literal["session"]
    cost: Annotated[PromptCacheSettings | AdapterLoadSettings, Field(discriminator="kind")]
    margin: float = 0.0
    lifetime_s: float = 300.0
    remembered: int = 4096
