"""Array types, and the dyadic grid of everything that is learned.

Rounding each feature to a multiple of 2⁻¹⁵ and each scaled outcome to a multiple of 2⁻¹⁶, once, at the door,
makes every product and every bounded sum of products an integer that float64 and int64 hold exactly. Addition
is then associative: any order, any batch and any machine give the same bits. The price is a change of the
widths by some 3e-5 of their size.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from banditroute.errors import InvalidContextError

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]
BoolArray: TypeAlias = NDArray[np.bool_]
RowArray: TypeAlias = NDArray[np.int32]
Context: TypeAlias = Sequence[float] | NDArray[Any]

FEATURE_BITS = 15
OUTCOME_BITS = 16
FEATURE_UNIT = 2.0**-FEATURE_BITS
OUTCOME_UNIT = 2.0**-OUTCOME_BITS

_FEATURE_SCALE = 2.0**FEATURE_BITS
# As an array, which numpy multiplies by in half the time of a Python float.
_FEATURE_UNIT = np.array(FEATURE_UNIT)
_REAL_KINDS = "fiub"


def as_context(x: Context, *, dimension: int | None, limit: float) -> FloatArray:
    """Check a feature vector and return it as float64 of shape (d,), not yet on the grid.

    Raises:
        InvalidContextError: if ``x`` is not one-dimensional, not of real numbers, not of the expected length,
            not finite, or has a feature outside [-limit, limit].
    """
    array = _as_real_array(x)
    if array.ndim != 1:
        raise InvalidContextError(
            f"context must be 1-D, got an array of shape {array.shape}", code="context.shape"
        )
    return _checked(array, dimension=dimension, limit=limit)


def as_contexts(X: Context | Sequence[Context], *, dimension: int | None, limit: float) -> FloatArray:
    """Check a matrix of feature vectors, shape (requests, d); raises as :func:`as_context` does."""
    array = _as_real_array(X)
    if array.ndim != 2:
        raise InvalidContextError(
            f"contexts must be 2-D, got an array of shape {array.shape}", code="context.shape"
        )
    return _checked(array, dimension=dimension, limit=limit)


def _as_real_array(x: object) -> NDArray[Any]:
    if isinstance(x, str | bytes | dict | set):
        raise InvalidContextError(f"context must be a sequence of real numbers, got {type(x).__name__}")
    try:
        array = np.asarray(x)
    except Exception:  # noqa: BLE001  (a conversion of someone else's, which may raise anything)
        raise InvalidContextError("context must be a sequence of real numbers of equal lengths") from None
    if array.dtype.kind not in _REAL_KINDS:
        raise InvalidContextError(
            f"context must be a sequence of real numbers, got values of type {_kind(x, array)}"
        )
    return array


def _kind(x: object, array: NDArray[Any]) -> str:
    first = array.flat[0] if array.size else x
    return type(first).__name__


def _checked(array: NDArray[Any], *, dimension: int | None, limit: float) -> FloatArray:
    found = array.shape[-1]
    if found == 0 or (dimension is not None and found != dimension):
        expected = "at least 1" if dimension is None else str(dimension)
        raise InvalidContextError(f"context has {found} features, expected {expected}", code="context.shape")
    values = array.astype(np.float64)
    # Written so that NaN, which compares false with everything, is refused too.
    if values.size and not np.abs(values).max() <= limit:
        _refuse(values, limit)
    return values


def _refuse(values: FloatArray, limit: float) -> None:
    index = tuple(int(i) for i in np.argwhere(~(np.abs(values) <= limit))[0])
    value = float(values[index])
    name = "context" + "".join(f"[{i}]" for i in index)
    if not np.isfinite(value):
        raise InvalidContextError(f"{name} is {value}; only finite numbers are accepted", code="context.nonfinite")
    raise InvalidContextError(f"{name} = {value:g} is outside [-{limit:g}, {limit:g}]", code="context.range")


def feature_row(x: FloatArray, *, intercept: bool) -> RowArray:
    """Round features to the grid, in units of 2⁻¹⁵, with a 1 appended if ``intercept``; shape (..., d [+ 1]).

    >>> feature_row(np.array([0.5, -0.25]), intercept=True)
    array([16384, -8192, 32768], dtype=int32)
    """
    row = np.empty((*x.shape[:-1], x.shape[-1] + intercept), dtype=np.int32)
    row[..., : x.shape[-1]] = np.rint(x * _FEATURE_SCALE)
    if intercept:
        row[..., -1] = 1 << FEATURE_BITS
    return row


def vanished(x: FloatArray) -> IntArray:
    """Return how often each feature is not 0 and is rounded to 0, because it is below 2⁻¹⁶; shape (d,).

    >>> vanished(np.array([[0.5, 1e-6], [0.0, -2e-7]]))
    array([0, 2])
    """
    lost: BoolArray = (x != 0.0) & (np.rint(x * _FEATURE_SCALE) == 0.0)
    counts: IntArray = np.atleast_2d(lost).sum(axis=0, dtype=np.int64)
    return counts


def from_feature_row(row: RowArray) -> FloatArray:
    """Turn grid units back into float64 features; exact.

    >>> from_feature_row(np.array([16384, -8192], dtype=np.int32))
    array([ 0.5 , -0.25])
    """
    x = row.astype(np.float64)
    x *= _FEATURE_UNIT
    return x
