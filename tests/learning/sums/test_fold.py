from dataclasses import replace

import numpy as np
import pytest

from banditroute.core.log import FeedbackRecord, StateKey
from banditroute.errors import InvalidArgumentError, SnapshotCorruptError
from banditroute.learning import ExactSums, SumsTable, decode, encode, folder
from banditroute.store.base import Fold
from tests.learning.rows import grid_rows

ROWS, VALUES = grid_rows(1, 40, 5, 2)
KEY = StateKey("a", "response", 3)


def feedback(
    number: int, values: tuple[int, ...] | None, previous: tuple[int, ...] | None = None, arm: str = "a"
) -> FeedbackRecord:
    return FeedbackRecord(
        decision_key=number.to_bytes(16, "big"),
        number=number + 1,
        group="response",
        revision=0 if previous is None else 1,
        arm=arm,
        row=ROWS[number],
        epoch=3,
        values=values,
        previous=previous,
        outcomes={},
        source=None,
        received_us=0,
    )


def said(number: int) -> tuple[int, ...]:
    return tuple(int(value) for value in VALUES[number])


def test_it_is_the_fold_that_the_store_asks_for() -> None:
    fold: Fold = folder({"response": 2})
    assert fold({}, []) == {}


def test_first_amended_and_retracted_feedback_leaves_what_was_meant() -> None:
    fold = folder({"quality": 1, "response": 2})
    first = fold({}, [feedback(n, said(n)) for n in range(20)])
    second = fold(
        first,
        [
            feedback(0, (7, 8), said(0)),
            feedback(1, None, said(1)),
            feedback(20, said(20)),
            feedback(0, None, (7, 8)),
            feedback(0, (9, 9), None),
            feedback(2, None, None),
        ],
    )
    expected = ExactSums(5, 2)
    values = VALUES.copy()
    values[0] = 9
    kept = [n for n in range(21) if n != 1]
    expected.add(ROWS[kept], values[kept])
    assert decode(second[KEY]) == expected
    assert decode(first[KEY]).n == 20


def test_batches_do_not_show_and_other_keys_are_left_alone() -> None:
    fold = folder({"response": 2})
    records = [feedback(n, said(n), arm="ab"[n % 2]) for n in range(40)]
    at_once = fold({}, records)
    blobs: dict[StateKey, bytes] = {}
    for record in reversed(records):
        blobs.update(fold(blobs, [record]))
    assert blobs == at_once
    assert set(fold(blobs, records[:1])) == {KEY}


def test_a_store_folds_to_the_bits_that_a_router_has_in_memory() -> None:
    table = SumsTable(5, {"response": 2})
    records = [feedback(n, said(n), arm="ab"[n % 2]) for n in range(40)]
    for record in records:
        assert record.values is not None
        table.add(StateKey(record.arm, record.group, record.epoch), record.row, record.values)
    assert folder({"response": 2})({}, records) == table.blobs()


def test_what_does_not_fit_is_refused() -> None:
    fold = folder({"response": 2})
    with pytest.raises(SnapshotCorruptError, match="checksum"):
        fold({KEY: encode(ExactSums(5, 2))[:-1] + b"?"}, [feedback(0, said(0))])
    with pytest.raises(SnapshotCorruptError, match="have shape"):
        fold({KEY: encode(ExactSums(4, 2))}, [feedback(0, said(0))])
    with pytest.raises(InvalidArgumentError, match="this router has: response"):
        fold({}, [replace(feedback(0, said(0)), group="quality")])
    with pytest.raises(InvalidArgumentError, match="values must be"):
        fold({}, [feedback(0, (1, 2, 3))])
    assert np.array_equal(ROWS, grid_rows(1, 40, 5, 2)[0])
