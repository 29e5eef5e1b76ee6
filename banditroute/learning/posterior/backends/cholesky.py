"""Computes V⁻¹ from exact sums by Cholesky: as a matrix, or as a low-rank difference from I / ridge."""

import numpy as np

from banditroute.core.arrays import FloatArray


def inverted(gram: FloatArray, ridge: float) -> FloatArray:
    """Return (ridge I + G)⁻¹, symmetric bit for bit.

    Raises:
        numpy.linalg.LinAlgError: if ridge I + G is not positive definite.
    """
    from scipy.linalg import lapack

    V = gram.copy()
    V.ravel()[:: len(V) + 1] += ridge
    # The Fortran order of the symmetric V is that of its transpose; "lower" then is our upper triangle.
    L, failed = lapack.dpotrf(V.T, lower=1, overwrite_a=1, clean=1)
    if failed:
        raise np.linalg.LinAlgError(f"ridge I + G is not positive definite at its leading minor {failed}")
    half, _ = lapack.dpotri(L, lower=1, overwrite_c=1)
    P: FloatArray = np.tril(half, -1)
    P += P.T
    P.ravel()[:: len(P) + 1] = np.diagonal(half)
    return P


def factor_of_difference(gram: FloatArray, ridge: float, most: int) -> FloatArray | None:
    """Return C of shape (r, d) with (ridge I + G)⁻¹ = I / ridge - Cᵀ C, where r is the rank of G.

    G = Wᵀ W by Cholesky with pivots, which stops at the rank; then by Woodbury's identity
    Cᵀ C = Wᵀ (ridge I + W Wᵀ)⁻¹ W / ridge, a problem of r × r.

    Returns:
        None if r would exceed ``most``, or if G is not positive semidefinite, so that no such W exists.
    """
    from scipy.linalg import lapack, solve_triangular

    d = len(gram)
    precision = float(np.finfo(np.float64).eps) * float(np.abs(gram).max())
    if precision == 0.0:
        return np.empty((0, d))
    U, pivots, rank, _ = lapack.dpstrf(gram, tol=precision, lower=0)
    if rank > most:
        return None
    W = np.empty((rank, d))
    W[:, pivots - 1] = np.triu(U)[:rank]
    if np.abs(gram - W.T @ W).max() > 64 * d * precision:
        return None
    V = W @ W.T
    V.ravel()[:: rank + 1] += ridge
    C: FloatArray = solve_triangular(np.linalg.cholesky(V), W, lower=True) / np.sqrt(ridge)
    return np.ascontiguousarray(C)
