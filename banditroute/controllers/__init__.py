"""What constrains the choice: small state machines around any policy."""

from banditroute.controllers.base import Choice, Controller, Predict, check_names, controlled
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
from banditroute.controllers.modes import Apprentice, Holdout, Incumbent, Lift, Shadow
from banditroute.controllers.targets import Average, Latency, PerCohort, QualityFloor, Shares, Within

__all__ = [
    "Adapter",
    "Apprentice",
    "Average",
    "CachePlan",
    "CallbackResidency",
    "Choice",
    "Controller",
    "DoublingEpochs",
    "EpochCache",
    "FixedEpochs",
    "Holdout",
    "Incumbent",
    "LFUCache",
    "LRUCache",
    "Latency",
    "Level",
    "Lift",
    "PerCohort",
    "Predict",
    "PricedCache",
    "QualityFloor",
    "Residency",
    "Shadow",
    "Shares",
    "StaticCache",
    "VLLMResidency",
    "Within",
    "check_names",
    "controlled",
]
