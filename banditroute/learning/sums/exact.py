"""Exact sufficient statistics of a linear model: sums of integers, so the order of addition does not matter."""

from functools import lru_cache
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from banditroute.core.arrays import FEATURE_BITS, OUTCOME_BITS, FloatArray, IntArray, RowArray
from banditroute.core.objectives import MAX_OBJECTIVES
from banditroute.errors import InvalidArgumentError
from banditroute.learning.sums.wide import WideIntegers

MAX_DIMENSION = 4096 + 1

GRAM_UNIT = 2.0 ** -(2 * FEATURE_BITS)
CROSS_UNIT = 2.0 ** -(FEATURE_BITS + OUTCOME_BITS)
SQUARE_UNIT = 2.0 ** -(2 * OUTCOME_BITS)

_EXACT = 2**53

MAX_VALUE = 2**30
"""Largest magnitude of a value [2⁻¹⁶], far above that of any outcome."""


class ExactSums:
    """The sums over rows that a ridge regression needs, as integers: n, Σ x xᵀ, Σ y xᵀ and Σ y².

    They contain neither ridge nor discount, and form a group under addition: the same rows give the same bits in
    any order, in any batches and from any number of workers, and subtracting a row gives the sums of the other
    rows. A part that contains only retractions has negative counts, which is valid.

    Attributes:
        n: Number of rows.
        gram: The upper triangle of Σ x xᵀ, row after row [2⁻³⁰]; int64 of shape (d (d + 1) / 2,).
        cross: Σ y xᵀ [2⁻³¹]; shape (outcomes, d).
        squares: Σ y² [2⁻³²]; shape (outcomes,).

    >>> sums = ExactSums(2, 1)
    >>> sums.add(np.array([[16384, 32768]], dtype=np.int32), np.array([[65536]]))    # x = (0.5, 1), y = 1
    >>> sums.gram_matrix()
    array([[0.25, 0.5 ], [0.5 , 1.  ]])
    >>> sums.cross_matrix()
    array([[0.5, 1. ]])
    """

    __slots__ = ("cross", "dimension", "gram", "n", "outcomes", "squares")
    __hash__ = None  # type: ignore[assignment]  # mutable

    def __init__(self, dimension: int, outcomes: int) -> None:
        if not 1 <= dimension <= MAX_DIMENSION:
            raise InvalidArgumentError(f"dimension = {dimension} is outside [1, {MAX_DIMENSION}]")
        if not 1 <= outcomes <= MAX_OBJECTIVES:
            raise InvalidArgumentError(f"outcomes = {outcomes} is outside [1, {MAX_OBJECTIVES}]")
        self.dimension = dimension
        self.outcomes = outcomes
        self.n = 0
        self.gram: IntArray = np.zeros(dimension * (dimension + 1) // 2, dtype=np.int64)
        self.cross = WideIntegers.zeros((outcomes, dimension))
        self.squares = WideIntegers.zeros(outcomes)

    def add(self, rows: RowArray, values: IntArray) -> None:
        """Add rows [2⁻¹⁵] of shape (k, d) with their values [2⁻¹⁶] of shape (k, outcomes).

        Raises:
            InvalidArgumentError: if the shapes or types do not fit, or if a product would leave 2⁵³ or a total
                its type (code ``sums.overflow``); nothing was changed.
        """
        self._check(rows, values)
        self._move(_sums(rows, values), sign=1)

    def subtract(self, rows: RowArray, values: IntArray) -> None:
        """Subtract rows that were added before, here or in other sums; raises as :meth:`add` does."""
        self._check(rows, values)
        self._move(_sums(rows, values), sign=-1)

    def amend(self, rows: RowArray, old_values: IntArray, new_values: IntArray) -> None:
        """Replace the values of rows that were added before; raises as :meth:`add` does."""
        self._check(rows, old_values)
        self._check(rows, new_values)
        change = _sums(rows, new_values).plus(_sums(rows, old_values), sign=-1)
        self._move(change, sign=1)

    def merge(self, other: "ExactSums") -> None:
        """Add other sums to these; raises as :meth:`add` does."""
        if (other.dimension, other.outcomes) != (self.dimension, self.outcomes):
            raise InvalidArgumentError(
                f"sums of shape {(other.dimension, other.outcomes)} cannot be merged into sums of shape "
                f"{(self.dimension, self.outcomes)}"
            )
        self._move(other, sign=1)

    def plus(self, other: "ExactSums", *, sign: int = 1) -> Self:
        """Return the sum (or, with ``sign=-1``, the difference) as new sums; raises as :meth:`add` does."""
        total = self.copy()
        total._move(other, sign=sign)
        return total

    def copy(self) -> Self:
        """Return an independent copy."""
        twin = type(self)(self.dimension, self.outcomes)
        twin.n = self.n
        twin.gram, twin.cross, twin.squares = self.gram.copy(), self.cross.copy(), self.squares.copy()
        return twin

    def halved(self, times: int) -> Self:
        """Return 2⁻ᵏ of these sums, k = ``times``, each rounded to the grid; ``n`` is rounded away from zero.

        This is an integer shift, with the same bits on every machine. In the last bit it is not linear, so weights
        are applied to whole sums when they are read, and never to sums that are stored.
        """
        twin = self.copy()
        if times:
            twin.n = -(-self.n >> times)
            twin.gram = (self.gram >> times) + (self.gram >> (times - 1) & 1)
            twin.cross, twin.squares = self.cross.halved(times), self.squares.halved(times)
        return twin

    def gram_matrix(self) -> FloatArray:
        """Return G = Σ x xᵀ, shape (d, d)."""
        upper = np.zeros((self.dimension, self.dimension))
        upper.ravel()[upper_triangle(self.dimension)] = self.gram * GRAM_UNIT
        matrix: FloatArray = upper + upper.T
        np.fill_diagonal(matrix, np.diagonal(upper))
        return matrix

    def cross_matrix(self) -> FloatArray:
        """Return B = Σ y xᵀ, shape (outcomes, d)."""
        return self.cross.as_floats() * CROSS_UNIT

    def square_sums(self) -> FloatArray:
        """Return Σ y², shape (outcomes,)."""
        return self.squares.as_floats() * SQUARE_UNIT

    def are_of_rows(self) -> bool:
        """Whether these can be sums of rows, checked without a factorisation.

        Counts and squares must not be negative, and |Σ y x| ≤ √(Σ y² Σ x²) (Cauchy-Schwarz).
        """
        diagonal = self.gram[upper_triangle(self.dimension) % (self.dimension + 1) == 0]
        squares = self.squares.as_floats()
        if self.n < 0 or diagonal.min() < 0 or squares.min() < 0:
            return False
        most = np.sqrt(np.outer(squares, diagonal.astype(np.float64)))
        return bool((np.abs(self.cross.as_floats()) <= most * (1 + 1e-9)).all())

    def __bool__(self) -> bool:
        return bool(self.n or self.gram.any() or self.cross.any() or self.squares.any())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ExactSums):
            return NotImplemented
        return (
            self.n == other.n
            and np.array_equal(self.gram, other.gram)
            and self.cross == other.cross
            and self.squares == other.squares
        )

    def __repr__(self) -> str:
        return f"ExactSums(dimension={self.dimension}, outcomes={self.outcomes}, n={self.n})"

    def _check(self, rows: RowArray, values: IntArray) -> None:
        if rows.dtype != np.int32 or rows.ndim != 2 or rows.shape[1] != self.dimension:
            raise InvalidArgumentError(
                f"rows must be int32 of shape (k, {self.dimension}), got {rows.dtype} of shape {rows.shape}"
            )
        if values.dtype != np.int64 or values.shape != (len(rows), self.outcomes):
            raise InvalidArgumentError(
                f"values must be int64 of shape ({len(rows)}, {self.outcomes}), "
                f"got {values.dtype} of shape {values.shape}"
            )

    def _move(self, other: "ExactSums", *, sign: int) -> None:
        # All three are computed before any is assigned, so that an error changes nothing.
        gram = _moved(self.gram, other.gram, sign)
        cross = self.cross.plus(other.cross, sign=sign)
        squares = self.squares.plus(other.squares, sign=sign)
        self.n += sign * other.n
        self.gram, self.cross, self.squares = gram, cross, squares


@lru_cache(maxsize=8)
def upper_triangle(dimension: int) -> IntArray:
    """Return the indices of the upper triangle in a flattened (d, d) matrix, row after row; read-only."""
    indices = np.flatnonzero(np.triu(np.ones((dimension, dimension), dtype=bool)))
    indices.setflags(write=False)
    return indices


def _moved(total: IntArray, part: IntArray, sign: int) -> IntArray:
    moved: IntArray = total + part if sign > 0 else total - part
    # A sum overflowed if its sign differs from the signs of both terms; a difference overflowed if its sign
    # differs from the minuend's and equals the subtrahend's.
    wrapped = (total ^ moved) & ((part if sign > 0 else ~part) ^ moved)
    if wrapped.size and wrapped.min() < 0:
        raise InvalidArgumentError("sums would leave int64; nothing was added", code="sums.overflow")
    return moved


def _sums(rows: RowArray, values: IntArray) -> ExactSums:
    """Sum rows by matrix products in blocks so small that float64 holds every partial sum exactly."""
    feature, value = _largest(rows), _largest(values)
    size = (_EXACT - 1) // max(feature * max(feature, value), 1)
    if size == 0 or value > MAX_VALUE:
        raise InvalidArgumentError(
            f"a row of magnitude {feature} grid units with a value of {value} has products beyond 2^53; "
            "nothing was added",
            code="sums.overflow",
        )
    total = _block_sums(rows[:size], values[:size])
    for start in range(size, len(rows), size):
        total._move(_block_sums(rows[start : start + size], values[start : start + size]), sign=1)
    return total


def _block_sums(rows: RowArray, values: IntArray) -> ExactSums:
    x, y = rows.astype(np.float64), values.astype(np.float64)
    sums = ExactSums(x.shape[1], y.shape[1])
    sums.n = len(x)
    sums.gram = (x.T @ x).ravel().take(upper_triangle(sums.dimension)).astype(np.int64)
    sums.cross = WideIntegers.of((y.T @ x).astype(np.int64))
    sums.squares = WideIntegers.sum_of_squares(values)
    return sums


def _largest(array: NDArray[Any]) -> int:
    # As Python integers: the absolute value of the most negative int does not fit its own type.
    return max(-int(array.min()), int(array.max())) if array.size else 0
