from collections.abc import Sequence
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from banditroute.core.log import StateKey
from banditroute.errors import InvalidArgumentError
from banditroute.learning import BASE_EPOCH, ExactSums, SumsTable
from tests.learning.rows import grid_rows

GROUPS = {"quality": 1, "response": 2}
DIMENSION = 3

Event = tuple[StateKey, list[int], list[int]]

grid = st.integers(-(2**18), 2**18)
keys = st.builds(StateKey, st.sampled_from("ab"), st.just("response"), st.integers(0, 4))
events = st.lists(
    st.tuples(keys, st.lists(grid, min_size=3, max_size=3), st.lists(grid, min_size=2, max_size=2)), max_size=150
)


def row(numbers: Sequence[int]) -> np.ndarray:
    return np.array(numbers, dtype=np.int32)


def learned(log: Sequence[Event]) -> SumsTable:
    table = SumsTable(DIMENSION, GROUPS)
    for key, x, y in log:
        table.add(key, row(x), y)
    return table


@given(events, st.randoms(use_true_random=False), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_order_reading_and_split_do_not_show(log: list[Event], random: Random, parts: int) -> None:
    expected = learned(log).digest()
    shuffled = list(log)
    random.shuffle(shuffled)
    assert learned(shuffled).digest() == expected
    read_in_between = SumsTable(DIMENSION, GROUPS)
    for key, x, y in log:
        read_in_between.add(key, row(x), y)
        read_in_between.totals(key.arm, key.group)
    assert read_in_between.digest() == expected
    whole = SumsTable(DIMENSION, GROUPS)
    for part in range(parts):
        whole.merge(learned(log[part::parts]))
    assert whole.digest() == expected


@given(events, st.sets(st.integers(0, 149)))
@settings(max_examples=60, deadline=None)
def test_retracting_leaves_the_rest_and_empty_sums_do_not_count(log: list[Event], gone: set[int]) -> None:
    table = learned(log)
    for number, (key, x, y) in enumerate(log):
        if number in gone:
            table.subtract(key, row(x), y)
    rest = learned([event for number, event in enumerate(log) if number not in gone])
    assert table.digest() == rest.digest()
    assert table.blobs() == rest.blobs()


@given(events, st.integers(0, 6))
@settings(max_examples=60, deadline=None)
def test_merging_epochs_keeps_totals(log: list[Event], before: int) -> None:
    table, merged = learned(log), learned(log)
    merged.merge_epochs(before)
    for arm in "ab":
        assert merged.totals(arm, "response") == table.totals(arm, "response")
        epochs = merged.by_epoch(arm, "response")
        assert all(epoch == BASE_EPOCH or epoch >= before for epoch in epochs)
        assert list(epochs) == sorted(epochs)
    assert merged.pooled("response") == table.pooled("response")
    again = SumsTable.decode(merged.encode())
    again.merge_epochs(before)
    assert again.digest() == merged.digest()


@given(events)
@settings(max_examples=30, deadline=None)
def test_amending_equals_having_said_it_at_once(log: list[Event]) -> None:
    amended = learned(log)
    for key, x, y in log:
        amended.amend(key, row(x), y, [y[0] + 1, -y[1]])
    assert amended.digest() == learned([(key, x, [y[0] + 1, -y[1]]) for key, x, y in log]).digest()


def test_totals_are_sums_of_the_rows() -> None:
    rows, values = grid_rows(1, 200, DIMENSION, 2)
    table = SumsTable(DIMENSION, GROUPS)
    for number in range(200):
        table.add(StateKey("ab"[number % 2], "response", number // 90), rows[number], tuple(values[number]))
    expected = ExactSums(DIMENSION, 2)
    expected.add(rows[::2], values[::2])
    assert table.totals("a", "response") == expected
    expected.add(rows[1::2], values[1::2])
    assert table.pooled("response") == expected


def test_a_row_is_copied_when_it_is_added() -> None:
    table = SumsTable(1, {"quality": 1})
    buffer, value = row([3]), np.array([5])
    table.add(StateKey("a", "quality", 0), buffer, value)
    buffer[:] = value[:] = 0
    assert table.totals("a", "quality").cross.tolist() == [[15]]


def test_reading_what_is_unknown_stores_nothing() -> None:
    table = SumsTable(DIMENSION, GROUPS)
    assert not table.totals("unknown", "quality")
    assert not table.sums(StateKey("unknown", "quality", 0))
    assert table.keys == ()
    assert table.digest() == SumsTable(DIMENSION, dict(reversed(GROUPS.items()))).digest()


def test_what_does_not_fit_is_refused() -> None:
    table = SumsTable(DIMENSION, GROUPS)
    with pytest.raises(InvalidArgumentError, match="unknown objective group 'cost'; there are: quality, response"):
        table.add(StateKey("a", "cost", 0), row([1, 2, 3]), [1])
    with pytest.raises(InvalidArgumentError, match="takes an int32 row of shape"):
        table.add(StateKey("a", "quality", 0), row([1]), [1])
    with pytest.raises(InvalidArgumentError, match="with 1 values"):
        table.add(StateKey("a", "quality", 0), row([1, 2, 3]), [1, 2])
    with pytest.raises(InvalidArgumentError, match="cannot be merged"):
        table.merge(SumsTable(DIMENSION + 1, GROUPS))
    with pytest.raises(InvalidArgumentError, match="at least one objective group"):
        SumsTable(DIMENSION, {})
    assert table.keys == ()


def test_the_largest_dimension() -> None:
    assert SumsTable(4_097, {"quality": 1}).dimension == 4_097
    for dimension in (0, 4_098):
        with pytest.raises(InvalidArgumentError, match=r"is outside \[1, 4097\]"):
            SumsTable(dimension, {"quality": 1})
