"""The backend protocol: holds P = V⁻¹ and Theta of many arms."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from banditroute.core.arrays import FloatArray

Leverages: TypeAlias = Callable[[Sequence[int] | None], FloatArray]
"""Indices of arms (None: all arms) → xᵀ P x of each, for one x; valid until the next row is learned."""


class InverseBackend(Protocol):
    """Holds P and Theta of N arms.

    Every method that changes an arm reads that arm's numbers only. Products over all arms at once are only for
    reading: BLAS sums the last rows of a matrix in another order, so their last bits depend on the number of arms,
    and a restart would not reach the same bits.
    """

    def add(self, thetas: FloatArray) -> None:
        """Append k cold arms: P = I / ridge, and Theta, shape (k, m, d)."""
        ...

    def predict(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return Theta x, shape (N, m), and xᵀ P x, shape (N,)."""
        ...

    def means(self, x: FloatArray) -> FloatArray:
        """Return Theta x alone."""
        ...

    def leverages(self, x: FloatArray) -> Leverages:
        """Return a function that computes xᵀ P x for the requested arms only."""
        ...

    def predict_many(self, X: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the results of :meth:`predict` for each row of X: shapes (T, N, m) and (T, N)."""
        ...

    def observe(self, arm: int, x: FloatArray, y: FloatArray) -> FloatArray:
        """Learn a row; return its prior errors (Theta x - y) / √(1 + xᵀ P x), valid until the next row."""
        ...

    def refactorise(self, arm: int, gram: FloatArray, n: int, /) -> None:
        """Set P to (ridge I + G)⁻¹, where G sums n rows; raises LinAlgError if it is not positive definite."""
        ...

    def times_inverse(self, arm: int, rows: FloatArray) -> FloatArray:
        """Return rows P, shape as ``rows``: (k, d)."""
        ...

    def coefficients(self, arm: int) -> FloatArray:
        """Return a view of Theta, shape (m, d), to read or to write."""
        ...

    def inverse(self, arm: int) -> FloatArray:
        """Return P as a new matrix."""
        ...
