"""What constrains the choice: small state machines around any policy."""

from banditroute.controllers.base import (
    Choice,
    Controller,
    Outlook,
    Predict,
    Reporter,
    Shrink,
    Watcher,
    check_names,
    controlled,
)
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
from banditroute.controllers.detectors import ADWIN, Detection, Detector, PageHinkley
from banditroute.controllers.drift import Drift

__all__ = [
    "Adapter",
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
    "Outlook",
    "Predict",
    "PricedCache",
    "Reporter",
    "Residency",
    "Shrink",
    "StaticCache",
    "VLLMResidency",
    "Watcher",
    "check_names",
    "controlled",
]
