"""Integers beyond int64, against Python's own."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from banditroute.errors import InvalidArgumentError
from banditroute.learning.sums.wide import WideIntegers

WIDE = st.integers(-(2**92), 2**92)
NARROW = st.integers(-(2**63), 2**63 - 1)


def wide(*values: int) -> WideIntegers:
    high = np.array([value >> 32 for value in values], dtype=np.int64)
    low = np.array([value & (2**32 - 1) for value in values], dtype=np.int64)
    return WideIntegers(high, low)


@given(WIDE, WIDE)
def test_sums_and_differences(one: int, other: int) -> None:
    assert wide(one).plus(wide(other)).tolist() == [one + other]
    assert wide(one).plus(wide(other), sign=-1).tolist() == [one - other]
    assert wide(one).plus(wide(other)).plus(wide(other), sign=-1) == wide(one)


@given(WIDE, st.integers(0, 64))
def test_halving_rounds_to_the_nearest(value: int, times: int) -> None:
    expected = value if not times else (value >> times) + (value >> (times - 1) & 1)
    assert wide(value).halved(times).tolist() == [expected]


@given(st.lists(NARROW, min_size=1, max_size=5))
def test_narrow_ones_are_int64(values: list[int]) -> None:
    found = WideIntegers.of(np.array(values, dtype=np.int64))
    assert found.is_narrow
    assert found.tolist() == values == found.narrow().tolist()
    np.testing.assert_array_equal(found.as_floats(), np.array(values, dtype=np.int64).astype(np.float64))


@given(WIDE)
def test_floats_are_the_nearest(value: int) -> None:
    (found,) = wide(value).as_floats().tolist()
    assert found == pytest.approx(float(value), rel=2**-52)
    assert wide(value).is_narrow == (-(2**63) <= value < 2**63)


@given(st.lists(st.lists(st.integers(-(2**30), 2**30), min_size=2, max_size=2), min_size=1, max_size=20))
def test_sums_of_squares(rows: list[list[int]]) -> None:
    expected = [sum(row[column] ** 2 for row in rows) for column in range(2)]
    assert WideIntegers.sum_of_squares(np.array(rows, dtype=np.int64)).tolist() == expected


def test_beyond_95_bits_nothing_is_added() -> None:
    largest = wide(2**93)
    assert largest.plus(largest, sign=-1).tolist() == [0]
    with pytest.raises(InvalidArgumentError, match="95 bits") as caught:
        largest.plus(largest)
    assert caught.value.code == "sums.overflow"
    assert largest == wide(2**93)


def test_others_are_never_equal() -> None:
    assert wide(5) != 5
    assert (wide(5) == wide(6)) is False
    assert repr(wide(2**70)) == f"WideIntegers([{2**70}])"
