"""Decodes many rows of decisions and feedback at once, because a replay reads millions of them.

Neighbouring rows nearly always have one shape. Such a run is decoded column by column: the arrays of its records
are views of one common array, and the values are checked in that array instead of row by row.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import chain, groupby, repeat
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from banditroute.core.log import DecisionRecord, FeedbackRecord
from banditroute.errors import StoreError
from banditroute.store.sql.encode import DEFAULT, REFUSED, ArmIds, unpack_integers

_FLOAT, _INT = np.dtype("<f8"), np.dtype("<i4")

DECISION_COLUMNS = (
    "body",
    "decided",
    "learned",
    "arm_id",
    "features",
    "arm_ids",
    "probabilities",
    "mean",
    "width",
    "preferences",
    "weights",
    "excluded",
    "epoch",
    "mode",
    "cause",
    "draw_key",
    "session",
    "cohort",
    "effects",
    "created_us",
)


def to_decisions(rows: Sequence[Any], arms: ArmIds) -> list[DecisionRecord]:
    """Decode rows of :data:`DECISION_COLUMNS`.

    The arrays are read-only views of common arrays: a reference to one keeps the memory of all, unless copied.

    Raises:
        Exception: of any kind, for a corrupted row.
    """
    return _run_by_run(rows, _shape_of_decision, lambda run: _decisions(run, arms))


def _shape_of_decision(row: Sequence[Any]) -> object:
    _, _, _, _, features, arm_ids, probabilities, mean, width, _, weights, *_ = row
    return arm_ids, len(features), len(probabilities), len(mean), len(width), len(weights)


def _decisions(run: Sequence[Any], arms: ArmIds) -> Iterator[DecisionRecord]:
    (bodies, decided, learned, arm, features, arm_ids, probabilities, mean, width, *rest) = zip(*run, strict=True)
    (preferences, weights, excluded, epochs, modes, causes, keys, sessions, cohorts, effects, times_us) = rest
    names = arms.unpack(arm_ids[0])
    chosen = [arms.names[number] for number in arm]
    known = frozenset(names)
    shape = (len(run), len(names), -1 if mean[0] else 0)
    P, M, W, weighed = _floats(probabilities), _floats(mean), _floats(width), _floats(weights)
    if P.shape[1] != len(names) or not known.issuperset(chosen):
        raise StoreError("its probabilities do not match its arms")
    if M.shape != W.shape:
        raise StoreError("its means and widths are of different shapes")
    _check_integers(epochs, times_us)
    decoded_effects = [json.loads(text) if len(text) > 2 else {} for text in effects]
    if not all(type(each) is dict for each in decoded_effects):
        raise StoreError("its effects are not a mapping")
    return map(
        DecisionRecord,
        bodies,
        _counted(decided),
        _counted(learned),
        chosen,
        _many(features, _INT),
        repeat(names),
        P,
        M.reshape(shape),
        W.reshape(shape),
        (dict(_repeated(text)) for text in preferences),
        weighed,
        (dict(_repeated(text)) for text in excluded),
        epochs,
        modes,
        causes,
        keys,
        decoded_effects,
        times_us,
        sessions,
        cohorts,
    )


FEEDBACK_COLUMNS = (
    "body",
    "learned",
    "objective_group",
    "revision",
    "arm_id",
    "grid_values",
    "grid_previous",
    "outcomes",
    "source",
    "received_us",
    "kind",
)


def to_feedbacks(rows: Sequence[Any], arms: ArmIds) -> list[FeedbackRecord]:
    """Decode rows of :data:`FEEDBACK_COLUMNS` and their decisions' features and epochs.

    Raises:
        Exception: of any kind, for a corrupted row.
    """
    return _run_by_run(rows, _shape_of_feedback, lambda run: _feedbacks(run, arms))


def _shape_of_feedback(row: Sequence[Any]) -> object:
    return len(row[-2])


def _feedbacks(run: Sequence[Any], arms: ArmIds) -> Iterator[FeedbackRecord]:
    (bodies, learned, groups, revisions, arm, values, previous, outcomes, *rest) = zip(*run, strict=True)
    (sources, received_us, kinds, features, epochs) = rest
    _check_integers(epochs, received_us)
    if REFUSED in kinds:
        raise StoreError("a fold refused one of them")
    decoded_outcomes = [_decoded(text) for text in outcomes]
    if not all(map(isfinite, chain.from_iterable(each.values() for each in decoded_outcomes))):
        raise StoreError("one of its outcomes is not finite")
    return map(
        FeedbackRecord,
        bodies,
        _counted(learned),
        groups,
        revisions,
        (arms.names[number] for number in arm),
        _many(features, _INT),
        epochs,
        map(unpack_integers, values),
        map(unpack_integers, previous),
        decoded_outcomes,
        sources,
        received_us,
        (kind == DEFAULT for kind in kinds),
    )


def _run_by_run(
    rows: Sequence[Any],
    shape: Callable[[Sequence[Any]], object],
    decoded: Callable[[Sequence[Any]], Iterator[Any]],
) -> list[Any]:
    records: list[Any] = []
    for _, run in groupby(rows, shape):
        records += decoded([*run])
    return records


def _many(blobs: Sequence[bytes], kind: np.dtype[Any]) -> NDArray[Any]:
    """Return blobs of equal length as the rows of one read-only array."""
    return np.frombuffer(b"".join(blobs), kind).reshape(len(blobs), len(blobs[0]) // kind.itemsize)


def _floats(blobs: Sequence[bytes]) -> NDArray[np.float64]:
    numbers = _many(blobs, _FLOAT)
    if not np.isfinite(numbers).all():
        raise StoreError("it contains a number that is not finite")
    return numbers


def _counted(numbers: Sequence[int | None]) -> Sequence[int]:
    """Replace the missing numbers of rows that are not numbered yet by 0."""
    return [number or 0 for number in numbers]


def _check_integers(*columns: Sequence[object]) -> None:
    # SQLite can store any type in any column.
    if {type(number) for column in columns for number in column} != {int}:
        raise StoreError("its epoch or its time is not an integer")


def _decoded(text: str) -> dict[str, Any]:
    # Takes half the time of json.loads, which also skips white space around the value.
    value: dict[str, Any] = _decode(text)[0]
    return value


_repeated = lru_cache(maxsize=1024)(_decoded)
_decode = json.JSONDecoder().raw_decode
