"""The packed triangle of a symmetric matrix: LAPACK's upper triangle, column after column."""

from functools import lru_cache

import numpy as np

from banditroute.core.arrays import FloatArray, IntArray
from banditroute.learning.posterior.backends import blas


class Packing:
    """Packs symmetric (d, d) matrices into d (d + 1) / 2 numbers, and turns xᵀ P x into one product of them."""

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension
        self.size = dimension * (dimension + 1) // 2
        # Column after column of the upper triangle is row after row of the lower.
        self.rows, self.columns = _lower_indices(dimension)
        self.diagonal = np.flatnonzero(self.rows == self.columns)

    def pack(self, matrix: FloatArray) -> FloatArray:
        """Return the triangle of a symmetric matrix."""
        return matrix[self.rows, self.columns]

    def unpack(self, triangle: FloatArray) -> FloatArray:
        """Return the symmetric matrix of a triangle."""
        matrix = np.empty((self.dimension, self.dimension))
        matrix[self.rows, self.columns] = triangle
        matrix[self.columns, self.rows] = triangle
        return matrix

    def square(self, x: FloatArray) -> FloatArray:
        """Return s with sᵀ pack(P) = xᵀ P x: all x_i x_j, doubled off the diagonal."""
        square = np.zeros(self.size)
        blas.dspr(self.dimension, 2.0, x, square, 1, 0, 0, 1)
        square[self.diagonal] = x * x
        return square

    def squares(self, X: FloatArray) -> FloatArray:
        """Return :meth:`square` of each row of X, shape (T, d (d + 1) / 2)."""
        squares: FloatArray = 2.0 * X[:, self.rows] * X[:, self.columns]
        squares[:, self.diagonal] *= 0.5
        return squares


@lru_cache(maxsize=8)
def _lower_indices(dimension: int) -> tuple[IntArray, IntArray]:
    return np.tril_indices(dimension)
