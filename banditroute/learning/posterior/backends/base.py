"""The backend protocol: holds P = V⁻¹ and Theta of many arms."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from banditroute.core.arrays import FloatArray

Leverages: TypeAlias = Callable[[Sequence[int] | None], FloatArray]
"""Numbers of some arms (None: all) → xᵀ P x of each, for one x; valid until the next row is learned."""


class InverseBackend(Protocol):
    """P and Theta of N arms.

    Every method that changes an arm computes from that arm's own numbers alone. Products over all arms at once
    are for reading: BLAS sums the last rows of a matrix in another order, so that they hang in the last bit on
    how many arms there are, and a restart would not end at the same bits.
    """

    def add(self, theta: FloatArray) -> None:
        """Append a cold arm: P = I / ridge, and Theta, shape (m, d)."""
        ...

    def predict(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return Theta x, shape (N, m), and xᵀ P x, shape (N,)."""
        ...

    def means(self, x: FloatArray) -> FloatArray:
        """Return Theta x alone."""
        ...

    def leverages(self, x: FloatArray) -> Leverages:
        """Return what works out xᵀ P x, of as few arms as are asked for."""
        ...

    def predict_many(self, X: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the same for each row of X: shapes (T, N, m) and (T, N)."""
        ...

    def observe(self, arm: int, x: FloatArray, y: FloatArray) -> FloatArray:
        """Learn a row; return the errors (Theta x - y) / √(1 + xᵀ P x) from before; valid until the next row."""
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
