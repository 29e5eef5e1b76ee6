"""Controllers: small state machines around any policy that constrain or price its choice."""

from banditroute.controllers.base import (
    Choice,
    Controller,
    DiscountRequest,
    OutcomeObserver,
    OutcomePrediction,
    Predict,
    Reporter,
    checked_controllers,
    controlled,
)
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
from banditroute.controllers.circuit_breaker import CircuitBreaker
from banditroute.controllers.drift.detectors import ADWIN, Detection, Detector, PageHinkley
from banditroute.controllers.drift.drift import Drift
from banditroute.controllers.onboarding import Onboarding
from banditroute.controllers.rollout import Apprentice, Holdout, Incumbent, Lift, Shadow
from banditroute.controllers.session import AdapterLoad, PromptCache, Session, SwitchCost
from banditroute.controllers.targets import Average, Latency, PerCohort, QualityFloor, Shares, Within

__all__ = [
    "ADWIN",
    "Adapter",
    "AdapterLoad",
    "Apprentice",
    "Average",
    "Budget",
    "CachePlan",
    "CallbackResidency",
    "Choice",
    "CircuitBreaker",
    "Controller",
    "Detection",
    "Detector",
    "DiscountRequest",
    "DoublingEpochs",
    "Drift",
    "EpochCache",
    "FixedEpochs",
    "Holdout",
    "Incumbent",
    "LFUCache",
    "LRUCache",
    "Latency",
    "Level",
    "Lift",
    "Onboarding",
    "OutcomeObserver",
    "OutcomePrediction",
    "PageHinkley",
    "PerCohort",
    "Predict",
    "PricedCache",
    "PromptCache",
    "QualityFloor",
    "Reporter",
    "Residency",
    "Session",
    "Shadow",
    "Shares",
    "StaticCache",
    "SwitchCost",
    "VLLMResidency",
    "Within",
    "checked_controllers",
    "controlled",
]
