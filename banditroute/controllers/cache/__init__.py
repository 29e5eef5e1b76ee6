"""Adapter cache controllers: choose the adapters to hold in fast memory, and price a miss."""

from banditroute.controllers.cache.adapter import Adapter, Level
from banditroute.controllers.cache.classic import LFUCache, LRUCache, StaticCache
from banditroute.controllers.cache.epoch_cache import EpochCache
from banditroute.controllers.cache.epochs import DoublingEpochs, FixedEpochs
from banditroute.controllers.cache.priced import CachePlan, PricedCache
from banditroute.controllers.cache.residency import CallbackResidency, Residency, VLLMResidency

__all__ = [
    "Adapter",
    "CachePlan",
    "CallbackResidency",
    "DoublingEpochs",
    "EpochCache",
    "FixedEpochs",
    "LFUCache",
    "LRUCache",
    "Level",
    "PricedCache",
    "Residency",
    "StaticCache",
    "VLLMResidency",
]
