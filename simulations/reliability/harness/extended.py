"""Ridge leverages in 80-bit floating point: the reference that nothing of ours touches."""

import numpy as np
from numpy.typing import NDArray

from banditroute.core.arrays import FloatArray
from tests.server import NotHere

_BLOCK = 10_000
_EXTENDED_BITS = 63


class ExtendedGram:
    """V = ridge I + Σ x xᵀ in 80-bit floats, and xᵀ V⁻¹ x by their own Cholesky.

    Raises:
        NotHere: where numpy's longest float has no 63 bits behind the point.
    """

    def __init__(self, dimension: int, ridge: float) -> None:
        if np.finfo(np.longdouble).nmant < _EXTENDED_BITS:
            raise NotHere("no 80-bit floating point")
        self._gram: NDArray[np.longdouble] = np.eye(dimension, dtype=np.longdouble) * np.longdouble(ridge)

    def add(self, X: FloatArray) -> None:
        """Add rows, shape (k, d)."""
        for start in range(0, len(X), _BLOCK):
            part = X[start : start + _BLOCK].astype(np.longdouble)
            self._gram += np.einsum("ki,kj->ij", part, part)

    def leverages(self, X: FloatArray) -> NDArray[np.longdouble]:
        """Return xᵀ V⁻¹ x of each row, shape (k,)."""
        L = _cholesky(self._gram)
        Z = X.T.astype(np.longdouble)
        for i in range(len(L)):
            Z[i] = (Z[i] - L[i, :i] @ Z[:i]) / L[i, i]
        leverages: NDArray[np.longdouble] = (Z * Z).sum(axis=0)
        return leverages


def _cholesky(matrix: NDArray[np.longdouble]) -> NDArray[np.longdouble]:
    L = np.tril(matrix)
    for j in range(len(L)):
        L[j:, j] -= L[j:, :j] @ L[j, :j]
        L[j:, j] /= np.sqrt(L[j, j])
    return L
