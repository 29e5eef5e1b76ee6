import hashlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from banditroute.errors import InvalidArgumentError
from banditroute.learning import ExactSums, decode, encode
from banditroute.learning.sums.exact import upper_triangle
from banditroute.learning.sums.wide import WideIntegers
from tests.learning.rows import as_floats, grid_rows

COUNT, DIMENSION, OUTCOMES = 20_000, 9, 3
BATCHES = (1_000, 4_096, COUNT)


def orders() -> list[np.ndarray]:
    straight = np.arange(COUNT)
    return [straight, straight[::-1].copy(), np.random.default_rng(5).permutation(COUNT)]


def folded(rows: np.ndarray, values: np.ndarray, batch: int) -> ExactSums:
    sums = ExactSums(DIMENSION, OUTCOMES)
    for start in range(0, len(rows), batch):
        sums.add(rows[start : start + batch], values[start : start + batch])
    return sums


def test_any_order_any_batch_and_any_worker_give_the_same_bits() -> None:
    rows, values = grid_rows(1, COUNT, DIMENSION, OUTCOMES)
    hashes = {
        hashlib.sha256(encode(folded(rows[order], values[order], batch))).hexdigest()
        for order in orders()
        for batch in BATCHES
    }
    workers = ExactSums(DIMENSION, OUTCOMES)
    for worker in (2, 0, 3, 1):
        workers.merge(folded(rows[worker::4], values[worker::4], 777))
    hashes.add(hashlib.sha256(encode(workers)).hexdigest())
    assert len(hashes) == 1


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_sums_of_floats_off_the_grid_hang_on_order_and_batch(kind: type[np.floating[Any]]) -> None:
    rng = np.random.default_rng(1)
    x: NDArray[np.floating[Any]] = rng.normal(size=(COUNT, DIMENSION)).astype(kind)
    hashes = set()
    for order in orders():
        for batch in BATCHES:
            gram: NDArray[np.floating[Any]] = np.zeros((DIMENSION, DIMENSION), dtype=kind)
            for start in range(0, COUNT, batch):
                part = x[order[start : start + batch]]
                gram += part.T @ part
            hashes.add(gram.tobytes())
    assert len(hashes) > 1


def test_what_is_retracted_leaves_what_the_rest_alone_would_have_left() -> None:
    rows, values = grid_rows(2, COUNT, DIMENSION, OUTCOMES)
    gone = np.random.default_rng(3).permutation(COUNT) < COUNT // 2
    sums = folded(rows, values, 4_096)
    for start in range(0, COUNT // 2, 999):
        sums.subtract(rows[gone][start : start + 999], values[gone][start : start + 999])
    assert sums == folded(rows[~gone], values[~gone], 123)
    assert sums.n == COUNT // 2


def test_amending_equals_having_said_it_at_once() -> None:
    rows, old = grid_rows(4, 300, DIMENSION, OUTCOMES)
    _, new = grid_rows(5, 300, DIMENSION, OUTCOMES)
    sums = folded(rows, old, 64)
    sums.amend(rows, old, new)
    assert sums == folded(rows, new, 300)


def test_float_views_are_the_sums() -> None:
    rows, values = grid_rows(6, 50, 4, 2)
    sums = ExactSums(4, 2)
    sums.add(rows, values)
    x, y = as_floats(rows, values)
    np.testing.assert_array_equal(sums.gram_matrix(), x.T @ x)
    np.testing.assert_array_equal(sums.cross_matrix(), y.T @ x)
    np.testing.assert_array_equal(sums.square_sums(), (y * y).sum(axis=0))
    assert sums.gram.shape == upper_triangle(4).shape == (10,)


def test_large_rows_are_added_in_blocks_that_stay_exact() -> None:
    rows = np.full((100, 2), 2**26 - 1, dtype=np.int32)
    values = np.full((100, 1), -(2**26 - 1), dtype=np.int64)
    sums = ExactSums(2, 1)
    sums.add(rows, values)
    square = 100 * (2**26 - 1) ** 2
    assert square > 2**53
    assert sums.gram.tolist() == [square] * 3
    assert sums.cross.tolist() == [[-square] * 2]
    assert sums.squares.tolist() == [square]
    assert sums.cross.is_narrow
    inexact = rows.astype(np.float64).T @ rows.astype(np.float64)
    assert int(inexact[0, 0]) != square


@pytest.mark.parametrize("sign", [1, -1])
def test_an_overflow_is_refused_before_anything_changes(sign: int) -> None:
    sums = ExactSums(1, 1)
    sums.add(np.array([[1]], dtype=np.int32), np.array([[1]]))
    sums.gram[:] = 2**63 - 3
    before = sums.copy()
    row, value = np.array([[2]], dtype=np.int32), np.array([[sign * 3]])
    with pytest.raises(InvalidArgumentError, match="would leave int64") as caught:
        sums.add(row, value)
    assert caught.value.code == "sums.overflow"
    assert sums == before
    sums.subtract(row, value)
    assert sums.cross.tolist() == [[1 - sign * 6]]


@pytest.mark.parametrize("magnitude", [2**27, -(2**31)])
def test_a_row_whose_products_are_not_exact_is_refused(magnitude: int) -> None:
    sums = ExactSums(1, 1)
    with pytest.raises(InvalidArgumentError, match="beyond 2\\^53"):
        sums.add(np.array([[magnitude]], dtype=np.int32), np.array([[0]]))
    with pytest.raises(InvalidArgumentError, match="beyond 2\\^53"):
        sums.add(np.array([[0]], dtype=np.int32), np.array([[2**31]]))
    assert not sums


def test_values_of_a_thousand_scales_are_summed_exactly_beyond_int64() -> None:
    """As costs may be: the squares of 3,000 of them leave int64."""
    count, rng = 3_000, np.random.default_rng(6)
    rows = rng.integers(-(2**21), 2**21 + 1, (count, 3)).astype(np.int32)
    values = rng.integers(65_000_000, 65_536_001, (count, 2))
    whole, parts = ExactSums(3, 2), ExactSums(3, 2)
    whole.add(rows, values)
    order = rng.permutation(count)
    for start in range(0, count, 37):
        parts.add(rows[order[start : start + 37]], values[order[start : start + 37]])
    assert whole == parts
    assert encode(whole) == encode(parts)
    y, x = values.astype(object), rows.astype(object)
    assert whole.squares.tolist() == (y * y).sum(axis=0).tolist()
    assert whole.cross.tolist() == (y.T @ x).tolist()
    assert not whole.squares.is_narrow
    assert decode(encode(whole)) == whole
    parts.subtract(rows[order[:2_900]], values[order[:2_900]])
    rest = ExactSums(3, 2)
    rest.add(rows[order[2_900:]], values[order[2_900:]])
    assert parts == rest
    assert encode(parts) == encode(rest)


@pytest.mark.parametrize(
    ("rows", "values", "words"),
    [
        (np.zeros((2, 3), dtype=np.int32), np.zeros((2, 1), dtype=np.int64), "rows must be int32 of shape"),
        (np.zeros((2, 2), dtype=np.float64), np.zeros((2, 1), dtype=np.int64), "got float64"),
        (np.zeros((2, 2), dtype=np.int32), np.zeros((3, 1), dtype=np.int64), "values must be int64"),
        (np.zeros((2, 2), dtype=np.int32), np.full((2, 1), np.nan), "got float64"),
    ],
)
def test_other_shapes_and_types_are_refused(rows: np.ndarray, values: np.ndarray, words: str) -> None:
    sums = ExactSums(2, 1)
    with pytest.raises(InvalidArgumentError, match=words):
        sums.add(rows, values)
    with pytest.raises(InvalidArgumentError, match=words):
        sums.subtract(rows, values)
    with pytest.raises(InvalidArgumentError, match="cannot be merged"):
        sums.merge(ExactSums(2, 2))


@pytest.mark.parametrize(("dimension", "outcomes"), [(0, 1), (4098, 1), (1, 0), (1, 33)])
def test_impossible_shapes_are_refused(dimension: int, outcomes: int) -> None:
    with pytest.raises(InvalidArgumentError, match="is outside"):
        ExactSums(dimension, outcomes)


def test_sums_of_rows_are_distinguished_from_other_sums() -> None:
    rows, values = grid_rows(3, 40, 5, 2)
    sums = ExactSums(5, 2)
    assert sums.are_of_rows()
    sums.add(rows, values)
    assert sums.are_of_rows()
    for part in ("n", "gram"):
        wrong = sums.copy()
        setattr(wrong, part, getattr(wrong, part) * -(2**20))
        assert not wrong.are_of_rows()
    for part in ("cross", "squares"):
        wrong = sums.copy()
        setattr(wrong, part, WideIntegers.of(getattr(wrong, part).narrow() * -(2**20)))
        assert not wrong.are_of_rows()
