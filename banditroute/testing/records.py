"""Records, a router and a fold for tests of stores."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np

from banditroute.core.arms import Arm, Price
from banditroute.core.log import (
    ArmRecord,
    DecisionRecord,
    FeedbackRecord,
    LogRecord,
    Position,
    PreferencesRecord,
    ReportRecord,
    StateKey,
)
from banditroute.core.objectives import Objective
from banditroute.core.receipt import ReceiptStatus
from banditroute.core.spec import RouterSpec, StoredRouter
from banditroute.errors import FeedbackConflictError, InvalidOutcomeError
from banditroute.store.base import START, Store

SPEC = RouterSpec(
    name="support",
    tenant="",
    objectives=(
        Objective("quality", bounds=(0, 1)),
        Objective("cost_usd", goal="min", bounds=(0, 0.05)),
        Objective("latency_s", goal="min", bounds=(0, 30)),
    ),
    dimension=3,
    intercept=True,
    x_max=4.0,
    policy={"name": "LinUCB", "alpha": 0.3},
)
WIDE = replace(SPEC, name="wide", dimension=4_095)
ARMS = (
    ArmRecord(Arm("small", price=Price(input=0.15, output=0.6)), "active", None, 1_000, 1_000),
    ArmRecord(Arm("large", max_output_tokens=512, prior={"quality": 0.7}), "active", None, 0, 1_000),
)
PREFERENCES = PreferencesRecord(1, {"quality": 1.0, "cost_usd": 0.4}, 1_000)
SECRET = bytes(range(32))


def summing(blobs: Mapping[StateKey, bytes], rows: Sequence[FeedbackRecord]) -> Mapping[StateKey, bytes]:
    """A fold that is easy to check: each blob holds the number of rows and the sum of their changes."""
    sums = {key: [int(part) for part in blob.split()] for key, blob in blobs.items()}
    for row in rows:
        total = sums.setdefault(StateKey(row.arm, row.group, row.epoch), [0, 0])
        total[0] += 1
        total[1] += (sum(row.values or ()) - sum(row.previous or ())) * int(row.row.sum(dtype=np.int64))
    return {key: b"%d %d" % tuple(total) for key, total in sums.items()}


def reporting(
    decision: DecisionRecord, feedback: Sequence[FeedbackRecord], report: ReportRecord
) -> Sequence[FeedbackRecord]:
    """What a report means, where only quality counts; a quality below 0 is refused."""
    quality = report.outcomes["quality"]
    if quality < 0:
        raise InvalidOutcomeError(f"quality = {quality} must be at least 0")
    before = {record.group: record for record in feedback}.get("quality")
    record = feedback_of(
        decision,
        0,
        revision=0 if before is None else before.revision + 1,
        arm=report.served_arm or decision.arm,
        values=(int(quality * 1024),),
        previous=None if before is None else before.values,
        outcomes=report.outcomes,
        source=report.source,
        received_us=report.received_us,
    )
    if before is None or before.outcomes == record.outcomes:
        return [record] if before is None else []
    if not report.amend:
        raise FeedbackConflictError("other quality is recorded")
    return [record]


def a_decision(number: int, n_feedback: int = 0, **changes: Any) -> DecisionRecord:
    """A decision record that differs in every field from the next one."""
    record = DecisionRecord(
        decision_key=number.to_bytes(16, "big"),
        number=number,
        n_feedback=n_feedback,
        arm=ARMS[number % 2].arm.name,
        row=np.array([number % 65_536, -number % 65_536, 5, 1 << 15], dtype=np.int32),
        arms=tuple(record.arm.name for record in ARMS),
        probabilities=np.array([0.25, 0.75]),
        mean=np.arange(6.0).reshape(2, 3) / number,
        width=np.full((2, 3), 1 / (number + 1)),
        preferences={"quality": 1.0, "cost_usd": 0.1 * number},
        weights=np.array([1.0, -0.1 * number, 0.0]),
        excluded={},
        epoch=number // 100,
        mode="live",
        cause="policy",
        draw_key=None,
        effects={"cache": {"resident": ["small"], "epoch": number}},
        created_us=1_700_000_000_000_000 + number,
    )
    return replace(record, **changes)


def feedback_of(decision: DecisionRecord, learned: int, group: str = "quality", **changes: Any) -> FeedbackRecord:
    """First feedback on ``decision``, with as many values as its group has objectives."""
    record = FeedbackRecord(
        decision_key=decision.decision_key,
        number=learned,
        group=group,
        revision=0,
        arm=decision.arm,
        row=decision.row,
        epoch=decision.epoch,
        values=(learned % 65_536,) if group == "quality" else (learned % 65_536, learned % 7),
        previous=None,
        outcomes={"quality": learned / 7},
        source=None,
        received_us=1_700_000_000_000_000 + learned,
    )
    return replace(record, **changes)


def a_report(decision: DecisionRecord, quality: float, **changes: Any) -> ReportRecord:
    """The same as a report, without the decision."""
    report = ReportRecord(decision.decision_key, {"quality": quality}, None, None, False, 1_700_000_000_000_000)
    return replace(report, **changes)


def plain(value: Any) -> Any:
    """``value`` as something that is equal exactly when every bit is, whatever arrays and floats it holds."""
    if is_dataclass(value) and not isinstance(value, type):
        return type(value).__name__, tuple((f.name, plain(getattr(value, f.name))) for f in fields(value))
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return tuple(plain(item) for item in value)
    return value.hex() if isinstance(value, float) else value


def open_router(
    store: Store,
    spec: RouterSpec = SPEC,
    *,
    arms: Sequence[ArmRecord] = ARMS,
    preferences: PreferencesRecord = PREFERENCES,
    secret: bytes = SECRET,
) -> StoredRouter:
    """Open ``store`` for the router of these laws."""
    return store.open(spec, arms, preferences, secret=secret, fold=summing, resolve=reporting)


def append(store: Store, *records: LogRecord) -> ReceiptStatus:
    """Append records, wait until they are in the log, and return their common result."""
    status = store.append(records).result(timeout=30)
    store.flush()
    return status


def journal(store: Store, after: Position = START, *, others: bool = False) -> Any:
    """What a store's journal holds, as :func:`plain` shows it."""
    return plain(list(store.events(after, others=others)))
