"""Backend for many arms: one triangle of each P, all in one matrix, so one product gives all leverages."""

from collections.abc import Sequence
from math import sqrt
from typing import Any, Self

import numpy as np

from banditroute.core.arrays import FloatArray
from banditroute.learning.posterior.backends import blas
from banditroute.learning.posterior.backends.base import Leverages
from banditroute.learning.posterior.backends.cholesky import inverted
from banditroute.learning.posterior.backends.growth import with_capacity
from banditroute.learning.posterior.backends.stacked import DenseBackend
from banditroute.learning.posterior.backends.triangle import Packing

_CHUNK = 256
# Measured: above this share of the triangles, gathering them takes longer than reading all.
_MANY = 0.2


class PackedBackend:
    """Holds P as packed triangles and Theta separately; an :class:`~.base.InverseBackend`."""

    def __init__(self, dimension: int, outcomes: int, ridge: float) -> None:
        self._d = dimension
        self._m = outcomes
        self._ridge = ridge
        self._packing = Packing(dimension)
        self._triangle_store = np.empty((1, self._packing.size))
        self._theta_store = np.empty((1, outcomes, dimension))
        self._resize(0)

    def __deepcopy__(self, _memo: dict[int, Any]) -> Self:
        """Return a copy; the arrays share memory, which the standard copy would not keep."""
        other = type(self)(self._d, self._m, self._ridge)
        other._triangle_store, other._theta_store = self._triangle_store.copy(), self._theta_store.copy()
        other._resize(self._arms)
        return other

    def _resize(self, arms: int) -> None:
        self._arms = arms
        self._triangles = self._triangle_store[:arms]
        self._thetas = self._theta_store[:arms]
        self._theta_stack = self._thetas.reshape(arms * self._m, self._d)

    def add(self, thetas: FloatArray) -> None:
        """Append cold arms."""
        first, count = self._arms, self._arms + len(thetas)
        self._triangle_store = with_capacity(self._triangle_store, first, count)
        self._theta_store = with_capacity(self._theta_store, first, count)
        self._triangle_store[first:count] = 0.0
        self._triangle_store[first:count, self._packing.diagonal] = 1.0 / self._ridge
        self._theta_store[first:count] = thetas
        self._resize(count)

    @classmethod
    def of(cls, stacked: DenseBackend) -> Self:
        """Return a packed copy of all arms; exact, since both triangles of P have equal bits."""
        packed = cls(stacked.dimension, stacked.outcomes, stacked.ridge)
        for arm in range(stacked.arms):
            packed.add(stacked.coefficients(arm)[np.newaxis])
            packed._triangles[arm] = packed._packing.pack(stacked.inverse(arm))
        return packed

    def predict(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return means and leverages by two matrix-vector products."""
        return self.means(x), self._triangles.dot(self._packing.square(x))

    def means(self, x: FloatArray) -> FloatArray:
        """Return means by one matrix-vector product."""
        means: FloatArray = self._theta_stack.dot(x).reshape(self._arms, self._m)
        return means

    def leverages(self, x: FloatArray) -> Leverages:
        """Return a function that computes leverages by one matrix-vector product."""
        square, triangles = self._packing.square(x), self._triangles

        def compute(arms: Sequence[int] | None) -> FloatArray:
            leverages: FloatArray
            if arms is None:
                leverages = triangles.dot(square)
            elif len(arms) == 1:
                leverages = triangles[arms[0] : arms[0] + 1].dot(square)
            elif len(arms) < _MANY * len(triangles):
                leverages = triangles.take(arms, axis=0).dot(square)
            else:
                leverages = triangles.dot(square)[arms]
            return leverages

        return compute

    def predict_many(self, X: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return means and leverages by two matrix products, a part of X at a time."""
        means = (X @ self._theta_stack.T).reshape(len(X), self._arms, self._m)
        leverages = np.empty((len(X), self._arms))
        for start in range(0, len(X), _CHUNK):
            part = slice(start, start + _CHUNK)
            np.matmul(self._packing.squares(X[part]), self._triangles.T, out=leverages[part])
        return means, leverages

    def observe(self, arm: int, x: FloatArray, y: FloatArray) -> FloatArray:
        """Learn a row by a symmetric rank-one update, as :meth:`DenseBackend.observe` does."""
        triangle, theta = self._triangles[arm], self._thetas[arm]
        products = blas.dspmv(self._d, 1.0, triangle, x)
        errors: FloatArray = theta.dot(x) - y
        root = sqrt(1.0 + products.dot(x))
        products /= root
        errors /= root
        blas.dspr(self._d, -1.0, products, triangle, 1, 0, 0, 1)
        blas.dger(-1.0, products, errors, 1, 1, theta.T, 1, 1, 1)
        return errors

    def refactorise(self, arm: int, gram: FloatArray, _n: int, /) -> None:
        """Set P from G."""
        self._triangles[arm] = self._packing.pack(inverted(gram, self._ridge))

    def times_inverse(self, arm: int, rows: FloatArray) -> FloatArray:
        """Return rows P."""
        triangle = self._triangles[arm]
        products = np.empty_like(rows)
        for i, row in enumerate(rows):
            products[i] = blas.dspmv(self._d, 1.0, triangle, row)
        return products

    def coefficients(self, arm: int) -> FloatArray:
        """Return a view of Theta."""
        theta: FloatArray = self._thetas[arm]
        return theta

    def inverse(self, arm: int) -> FloatArray:
        """Return P as a new matrix."""
        return self._packing.unpack(self._triangles[arm])
