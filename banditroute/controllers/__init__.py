"""What constrains the choice: small state machines around any policy."""

from banditroute.controllers.base import Choice, Controller, Predict, check_names, controlled
from banditroute.controllers.budget import Budget
from banditroute.controllers.cache import (
    Adapter,
    CachePlan,
    CallbackResidency,
    DoublingEpochs,
    EpochCache,
    FixedEpochs,
    Level,
    LFUCache,
    LRUCache,
    PricedCache,
    Residency,
    StaticCache,
    VLLMResidency,
)

__all__ = [
    "Adapter",
    "Budget",
    "CachePlan",
    "CallbackResidency",
    "Choice",
    "Controller",
    "DoublingEpochs",
    "EpochCache",
    "FixedEpochs",
    "LFUCache",
    "LRUCache",
    "Level",
    "Predict",
    "PricedCache",
    "Residency",
    "StaticCache",
    "VLLMResidency",
    "check_names",
    "controlled",
]
