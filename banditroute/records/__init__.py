"""Frozen, plain values that travel between the parts."""

from banditroute.records.decision import Decision, Estimate
from banditroute.records.explanation import Explanation
from banditroute.records.log import (
    ArmRecord,
    DecisionRecord,
    FeedbackRecord,
    LogRecord,
    Position,
    PreferencesRecord,
    ReportRecord,
    SnapshotRecord,
    SpaceRecord,
    StateKey,
)
from banditroute.records.prediction import LazyPrediction, Prediction
from banditroute.records.receipt import Receipt, ReceiptStatus
from banditroute.records.request import Request
from banditroute.records.situation import Situation
from banditroute.records.spec import RouterSpec, StoredRouter

__all__ = [
    "ArmRecord",
    "Decision",
    "DecisionRecord",
    "Estimate",
    "Explanation",
    "FeedbackRecord",
    "LazyPrediction",
    "LogRecord",
    "Position",
    "Prediction",
    "PreferencesRecord",
    "Receipt",
    "ReceiptStatus",
    "ReportRecord",
    "Request",
    "RouterSpec",
    "Situation",
    "SnapshotRecord",
    "SpaceRecord",
    "StateKey",
    "StoredRouter",
]
