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
from banditroute.controllers.health import CircuitBreaker
from banditroute.controllers.onboarding import Onboarding
from banditroute.controllers.session import AdapterLoad, PromptCache, Session, SwitchCost

__all__ = [
    "ADWIN",
    "Adapter",
    "AdapterLoad",
    "CachePlan",
    "CallbackResidency",
    "Choice",
    "CircuitBreaker",
    "Controller",
    "Detection",
    "Detector",
    "DoublingEpochs",
    "Drift",
    "EpochCache",
    "FixedEpochs",
    "LFUCache",
    "LRUCache",
    "Level",
    "Onboarding",
    "Outlook",
    "PageHinkley",
    "Predict",
    "PricedCache",
    "PromptCache",
    "Reporter",
    "Residency",
    "Session",
    "Shrink",
    "StaticCache",
    "SwitchCost",
    "VLLMResidency",
    "Watcher",
    "check_names",
    "controlled",
]
