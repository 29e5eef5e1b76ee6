"""Decisions and feedback of many rows at once: a replay reads millions of them.

Neighbouring rows are nearly always of one shape. Such a run is decoded column by column: its arrays are views of
one array for all, and what they hold is checked there, instead of row by row.
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
    """The records of rows of :data:`DECISION_COLUMNS`.

    Their arrays are read-only views of those of all rows: who keeps one of them for long keeps all, or copies it.

    Raises:
        Exception: of any kind, for a row that is garbage.
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
        raise StoreError("its probabilities are not those of its arms")
    if M.shape != W.shape:
        raise StoreError("its means and widths are of different shapes")
    _check_integers(epochs, times_us)
    decoded_texts = [json.loads(text) if len(text) > 2 else {} for text in effects]
    if not all(type(each) is dict for each in decoded_texts):
        raise StoreError("its effects are no mapping")
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
        decoded_texts,
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
    """The records of rows of :data:`FEEDBACK_COLUMNS` and their decisions' features and epochs.

    Raises:
        Exception: of any kind, for a row that is garbage.
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
    decoded_texts = [_decoded(text) for text in outcomes]
    if not all(map(isfinite, chain.from_iterable(each.values() for each in decoded_texts))):
        raise StoreError("it reports a number that is not finite")
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
        decoded_texts,
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
    """Blobs of one length as the rows of one array, read-only."""
    return np.frombuffer(b"".join(blobs), kind).reshape(len(blobs), len(blobs[0]) // kind.itemsize)


def _floats(blobs: Sequence[bytes]) -> NDArray[np.float64]:
    numbers = _many(blobs, _FLOAT)
    if not np.isfinite(numbers).all():
        raise StoreError("it holds a number that is not finite")
    return numbers


def _counted(numbers: Sequence[int | None]) -> Sequence[int]:
    """With 0 for rows that have none yet."""
    return [number or 0 for number in numbers]


def _check_integers(*columns: Sequence[object]) -> None:
    # SQLite keeps any type in any column.
    if {type(number) for column in columns for number in column} != {int}:
        raise StoreError("its epoch or its time is no integer")


def _decoded(text: str) -> dict[str, Any]:
    # Half the time of json.loads, which looks for white space around its value.
    value: dict[str, Any] = _decode(text)[0]
    return value


_repeated = lru_cache(maxsize=1024)(_decoded)
_decode = json.JSONDecoder().raw_decode
