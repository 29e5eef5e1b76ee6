"""The feature space of a router: checks a vector and turns it into the row that is learned."""

from collections.abc import Mapping, Sequence

import numpy as np

from banditroute.core.arrays import (
    Context,
    FloatArray,
    IntArray,
    RowArray,
    as_context,
    as_contexts,
    feature_row,
    vanished,
)
from banditroute.core.spec import MAX_DIMENSION, RouterSpec
from banditroute.errors import InvalidContextError


class FeatureSpace:
    """Checks vectors and rounds them to the grid.

    Attributes:
        dimension: Number of features, without the intercept; None until it is fixed.
    """

    def __init__(self, spec: RouterSpec) -> None:
        self._limit = spec.x_max
        self._intercept = spec.intercept
        self.set_spec(spec)

    def set_spec(self, spec: RouterSpec) -> None:
        """Take the dimension and the names of a spec that was read from the store."""
        self.dimension = spec.dimension
        self._names = spec.feature_names
        self._vanished: IntArray | None = None

    @property
    def vanished(self) -> dict[str, int]:
        """Feature (its name, or its index from 0) → how often a value other than 0 was rounded to 0."""
        if self._vanished is None:
            return {}
        names = self._names or [str(index) for index in range(len(self._vanished))]
        return {name: count for name, count in zip(names, self._vanished.tolist(), strict=True) if count}

    def count_vanished(self, values: FloatArray, row: RowArray) -> None:
        """Count features that are 0 in the row and not in the values."""
        if np.count_nonzero(row[..., : values.shape[-1]]) < np.count_nonzero(values):
            found = vanished(values)
            self._vanished = found if self._vanished is None else self._vanished + found

    def vector(self, x: Context | Mapping[str, float]) -> FloatArray:
        """Return one checked vector, shape (d,); raises as :func:`~banditroute.core.arrays.as_context` does."""
        values = as_context(self._in_order(x), dimension=self.dimension, limit=self._limit)
        return self._bounded(values)

    def matrix(self, X: Context | Sequence[Context]) -> FloatArray:
        """Return checked vectors, shape (requests, d)."""
        return self._bounded(as_contexts(X, dimension=self.dimension, limit=self._limit))

    def row(self, values: FloatArray) -> RowArray:
        """Return checked vectors on the grid, with the intercept.

        Raises:
            InvalidContextError: if another thread fixed the dimension after the vectors were checked.
        """
        if values.shape[-1] != self.dimension:
            raise InvalidContextError(
                f"context has {values.shape[-1]} features, expected {self.dimension}", code="context.shape"
            )
        return feature_row(values, intercept=self._intercept)

    def _bounded(self, values: FloatArray) -> FloatArray:
        if values.shape[-1] > MAX_DIMENSION:
            raise InvalidContextError(
                f"context has {values.shape[-1]} features, a router takes at most {MAX_DIMENSION}",
                code="context.shape",
            )
        return values

    def _in_order(self, x: Context | Mapping[str, float]) -> Context:
        if not isinstance(x, Mapping):
            return x
        if self._names is None:
            raise InvalidContextError("context is a mapping, but the router's features have no names")
        if set(x) != set(self._names):
            wrong = sorted(str(name) for name in set(x) ^ set(self._names))
            raise InvalidContextError(f"context must have exactly the router's features; differs in: {wrong}")
        return [x[name] for name in self._names]
