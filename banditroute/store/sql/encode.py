"""Encodes records as rows, and decodes single rows; :mod:`.decode` decodes many rows at once."""

import hashlib
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np

from banditroute.core.arms import Arm, Price
from banditroute.core.arrays import FloatArray
from banditroute.core.log import (
    ArmRecord,
    DecisionRecord,
    FeedbackRecord,
    PreferencesRecord,
    ReportRecord,
    SnapshotRecord,
)
from banditroute.core.objectives import MAX_LIMIT, Objective
from banditroute.core.spec import RouterSpec
from banditroute.core.windows import OutcomeWindow
from banditroute.errors import StoreError
from banditroute.store.schema.tables import Row

DEFAULT = "default"
"""The kind of feedback that was not reported: its window closed and the default was learned."""

REFUSED = "refused"
"""The kind of a row that the fold could not learn: it keeps its number, and is skipped permanently."""

_FLOAT, _INT = np.dtype("<f8"), np.dtype("<i4")


class ArmIds:
    """Maps the names of one router's arms to their stored ids, and back."""

    def __init__(self, ids: Mapping[str, int]) -> None:
        self.ids = dict(ids)
        self.names = {number: name for name, number in self.ids.items()}
        self._packed: dict[tuple[str, ...], bytes] = {}
        self._unpacked: dict[bytes, tuple[str, ...]] = {}

    def pack(self, names: tuple[str, ...]) -> bytes:
        """Encode names as a blob of int64 ids."""
        blob = self._packed.get(names)
        if blob is None:
            blob = self._packed[names] = struct.pack(f"<{len(names)}q", *(self.ids[name] for name in names))
        return blob

    def unpack(self, blob: bytes) -> tuple[str, ...]:
        """Decode a blob to names."""
        names = self._unpacked.get(blob)
        if names is None:
            numbers = struct.unpack(f"<{len(blob) // 8}q", blob)
            names = self._unpacked[blob] = tuple(self.names[number] for number in numbers)
        return names


def spec_json(spec: RouterSpec) -> str:
    """Encode the parts of a spec that have no column of their own."""
    return json_text(
        {
            "objectives": [
                # Workers of schema 0001 that are still open read the rule for values outside the bounds.
                asdict(each) | {"on_out_of_range": "clip" if each.is_resource else "reject"}
                for each in spec.objectives
            ],
            "intercept": spec.intercept,
            "x_max": spec.x_max,
            "policy": dict(spec.policy),
            **({} if spec.feature_names is None else {"features": [*spec.feature_names]}),
            **({"clipped": True} if spec.is_clipped else {}),
            **({"source_caps": dict(spec.source_caps)} if spec.source_caps else {}),
        }
    )


def to_spec(tenant: str, name: str, dimension: int | None, text: str) -> RouterSpec:
    """Decode the spec of a router's row."""
    fields = json.loads(text)
    return RouterSpec(
        name=name,
        tenant=tenant,
        objectives=tuple(
            Objective(
                objective["name"],
                goal=objective["goal"],
                bounds=tuple(objective["bounds"]),
                scale=_scale_of(objective),
                limit=objective.get("limit", MAX_LIMIT),
                group=objective["group"],
                window=None if objective.get("window") is None else OutcomeWindow(**objective["window"]),
            )
            for objective in fields["objectives"]
        ),
        dimension=dimension,
        intercept=fields["intercept"],
        x_max=fields["x_max"],
        policy=fields["policy"],
        feature_names=tuple(fields["features"]) if "features" in fields else None,
        source_caps=fields.get("source_caps", {}),
        is_clipped=fields.get("clipped", any(map(_was_clipped, fields["objectives"]))),
    )


def _scale_of(objective: Mapping[str, Any]) -> float | None:
    """Return the stored scale; before there were scales, the span of an objective that was clipped."""
    if _was_clipped(objective):
        low, high = objective["bounds"]
        return float(high) - float(low)
    scale: float | None = objective.get("scale")
    return scale


def _was_clipped(objective: Mapping[str, Any]) -> bool:
    return "scale" not in objective and objective["on_out_of_range"] == "clip"


def arm_row(record: ArmRecord, router_id: int) -> Row:
    """Encode an arm; its price has a row of its own."""
    return {
        "router_id": router_id,
        "name": record.arm.name,
        "status": record.status,
        "successor": record.successor,
        "n_eff": record.n_eff,
        "price_known": record.arm.price is not None,
        "price_effective_us": record.price_effective_us,
        "max_output_tokens": record.arm.max_output_tokens,
        "prior": json_text(dict(record.arm.prior)),
        "recorded_us": record.recorded_us,
    }


def to_arm(row: Any) -> ArmRecord:
    """Decode an arm's row that is joined with its current price."""
    price = Price(input=row.input, output=row.output) if row.price_known else None
    arm = Arm(row.name, price=price, max_output_tokens=row.max_output_tokens, prior=json.loads(row.prior))
    return ArmRecord(arm, row.status, row.successor, row.price_effective_us, row.recorded_us, row.n_eff)


def preference_row(record: PreferencesRecord, router_id: int) -> Row:
    """Encode a change of preferences."""
    return {
        "router_id": router_id,
        "version": record.version,
        "weights": json_text(dict(record.preferences)),
        "recorded_us": record.recorded_us,
    }


def to_preferences(row: Any) -> PreferencesRecord:
    """Decode a row of preferences."""
    return PreferencesRecord(row.version, json.loads(row.weights), row.recorded_us)


def snapshot_row(record: SnapshotRecord, router_id: int) -> Row:
    """Encode a snapshot, with its checksum."""
    return {
        "router_id": router_id,
        "learned": record.position.n_feedback,
        "decided": record.position.n_decisions,
        "blob": record.blob,
        "sha256": hashlib.sha256(record.blob).digest(),
        "recorded_us": record.recorded_us,
    }


def decision_row(record: DecisionRecord, router_id: int, arms: ArmIds) -> Row:
    """Encode a decision.

    Raises:
        StoreError: if the shapes of its arrays do not match, or a number is not finite.
    """
    names = record.arms
    if record.arm not in names or len(record.probabilities) != len(names):
        raise StoreError(
            f"decision {record.number} chose {record.arm!r} with probabilities that do not match its arms"
        )
    if record.mean.shape != record.width.shape or len(record.mean) != len(names):
        raise StoreError(
            f"decision {record.number} has {len(names)} arms, a mean of shape {record.mean.shape} "
            f"and a width of shape {record.width.shape}"
        )
    return {
        "router_id": router_id,
        "body": record.decision_key,
        "arm_id": arms.ids[record.arm],
        "propensity": float(record.probabilities[names.index(record.arm)]),
        "features": record.row.astype(_INT, copy=False).tobytes(),
        "arm_ids": arms.pack(names),
        "probabilities": _floats(record.probabilities),
        "mean": _floats(record.mean),
        "width": _floats(record.width),
        "preferences": json_text(dict(record.preferences)),
        "weights": _floats(record.weights),
        "excluded": json_text(dict(record.excluded)),
        "epoch": record.epoch,
        "mode": record.mode,
        "cause": record.cause,
        "draw_key": record.draw_key,
        "session": record.session,
        "cohort": record.cohort,
        "effects": json_text(dict(record.effects)),
        "created_us": record.created_us,
    }


def content_digest(record: FeedbackRecord) -> bytes:
    """Return a 16-byte digest of a feedback: its arm, outcomes as reported, values as learned."""
    content = f"{record.arm}\n{json_text(dict(record.outcomes))}\n".encode()
    content += pack_integers(record.values) or b"-"
    return hashlib.blake2b(content, digest_size=16).digest()


def feedback_row(record: FeedbackRecord, router_id: int, arms: ArmIds) -> Row:
    """Encode a feedback; its features and epoch are in the decision's row, its number is assigned by the fold."""
    return {
        "router_id": router_id,
        "body": record.decision_key,
        "objective_group": record.group,
        "revision": record.revision,
        "arm_id": arms.ids[record.arm],
        "grid_values": pack_integers(record.values),
        "grid_previous": pack_integers(record.previous),
        "outcomes": json_text(dict(record.outcomes)),
        "payload": content_digest(record),
        "kind": _kind(record),
        "source": record.source,
        "received_us": record.received_us,
    }


def _kind(record: FeedbackRecord) -> str:
    if record.by_default:
        return DEFAULT
    if record.values is None:
        return "retract" if record.previous is not None else "kept"
    return "amend" if record.revision else "outcome"


REVISION_COLUMNS = (
    "body",
    "objective_group",
    "revision",
    "arm_id",
    "grid_values",
    "outcomes",
    "received_us",
    "kind",
)


class StoredRevision(NamedTuple):
    """The stored content of one revision; see :class:`~banditroute.core.revisions.Revision`."""

    revision: int
    arm: str
    values: tuple[int, ...] | None
    outcomes: Mapping[str, float]
    received_us: int
    by_default: bool


def to_revision(row: Sequence[Any], arms: ArmIds) -> StoredRevision:
    """Decode a row of :data:`REVISION_COLUMNS`."""
    _, _, revision, arm, values, outcomes, received_us, kind = row
    return StoredRevision(
        revision, arms.names[arm], unpack_integers(values), json.loads(outcomes), received_us, kind == DEFAULT
    )


def report_row(record: ReportRecord, router_id: int) -> Row:
    """Encode a report that waits for its decision."""
    outcomes = json_text(dict(record.outcomes))
    content = f"{record.served_arm}\n{record.amend}\n{outcomes}".encode()
    return {
        "router_id": router_id,
        "body": record.decision_key,
        "outcomes": outcomes,
        "served_arm": record.served_arm,
        "amend": record.amend,
        "payload": hashlib.blake2b(content, digest_size=16).digest(),
        "source": record.source,
        "received_us": record.received_us,
    }


def to_report(row: Any) -> ReportRecord:
    """Decode the row of a waiting report."""
    return ReportRecord(row.body, json.loads(row.outcomes), row.served_arm, row.source, row.amend, row.received_us)


def _floats(array: FloatArray) -> bytes:
    if not np.isfinite(array).all():
        raise StoreError("a decision contains a number that is not finite")
    return array.astype(_FLOAT, copy=False).tobytes()


_encoder = json.JSONEncoder(allow_nan=False, separators=(",", ":"))


def json_text(value: Any) -> str:
    """Encode a value as compact JSON; ``{}`` for any empty value.

    Raises:
        StoreError: if it is not JSON, or contains a number that is not finite.
    """
    if not value:
        return "{}"
    try:
        return _encoder.encode(value)
    except (ValueError, TypeError) as error:
        raise StoreError(f"a record cannot be stored: {error}") from None


def pack_integers(values: tuple[int, ...] | None) -> bytes | None:
    """Encode grid values as little-endian int64."""
    return None if values is None else struct.pack(f"<{len(values)}q", *values)


def unpack_integers(blob: bytes | None) -> tuple[int, ...] | None:
    """Decode the values that :func:`pack_integers` encoded."""
    return None if blob is None else struct.unpack(f"<{len(blob) // 8}q", blob)
