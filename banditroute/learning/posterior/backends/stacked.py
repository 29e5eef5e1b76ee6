"""Backend for few arms and features: one block [P; Theta] per arm, all blocks in one matrix."""

from collections.abc import Sequence
from math import sqrt
from typing import Any, Self

import numpy as np

from banditroute.core.arrays import FloatArray
from banditroute.learning.posterior.backends import blas
from banditroute.learning.posterior.backends.base import Leverages
from banditroute.learning.posterior.backends.cholesky import inverted
from banditroute.learning.posterior.backends.growth import with_capacity

_CHUNK = 256


class DenseBackend:
    """Holds P and Theta of all arms in one stacked matrix; an :class:`~.base.InverseBackend`."""

    def __init__(self, dimension: int, outcomes: int, ridge: float) -> None:
        self.dimension = dimension
        self.outcomes = outcomes
        self.ridge = ridge
        self._height = dimension + outcomes
        self._products = np.empty(self._height)
        self._inverse_products = self._products[:dimension]
        self._theta_products = self._products[dimension:]
        # The context, followed by zeros where a block has Theta: numpy multiplies whole rows faster than parts of
        # rows.
        self._padded = np.zeros(self._height)
        self._context = self._padded[:dimension]
        self._store = np.empty((1, self._height, dimension))
        self._resize(0)

    def __deepcopy__(self, _memo: dict[int, Any]) -> Self:
        """Return a copy; the arrays share memory, which the standard copy would not keep."""
        other = type(self)(self.dimension, self.outcomes, self.ridge)
        other._store = self._store.copy()
        other._resize(self.arms)
        return other

    def _resize(self, arms: int) -> None:
        self.arms = arms
        self._blocks = self._store[:arms]
        self._stack = self._blocks.reshape(arms * self._height, self.dimension)
        # Each block and its transposed view, through which dger writes. Created once, since indexing costs a call.
        self._views = [(block, block.T) for block in self._blocks]
        self._all_products = np.empty(arms * self._height)
        self._table = self._all_products.reshape(arms, self._height)
        self._table_of_means = self._table[:, self.dimension :]

    def add(self, thetas: FloatArray) -> None:
        """Append cold arms."""
        self._store = with_capacity(self._store, self.arms, self.arms + len(thetas))
        blocks = self._store[self.arms : self.arms + len(thetas)]
        blocks[:, : self.dimension] = np.eye(self.dimension) / self.ridge
        blocks[:, self.dimension :] = thetas
        self._resize(self.arms + len(thetas))

    def predict(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return means and leverages by two matrix-vector products."""
        self._stack.dot(x, self._all_products)
        self._context[...] = x
        return self._table_of_means.copy(), self._table.dot(self._padded)

    def means(self, x: FloatArray) -> FloatArray:
        """Return means by a product of the Thetas alone."""
        means: FloatArray = self._blocks[:, self.dimension :].dot(x)
        return means

    def leverages(self, x: FloatArray) -> Leverages:
        """Return a function that computes leverages; a request for few arms saves no time."""

        def compute(arms: Sequence[int] | None) -> FloatArray:
            blocks = self._blocks if arms is None else self._blocks[arms]
            leverages: FloatArray = blocks[:, : self.dimension].dot(x).dot(x)
            return leverages

        return compute

    def predict_many(self, X: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return means and leverages by one matrix product, a part of X at a time."""
        d = self.dimension
        means = np.empty((len(X), self.arms, self.outcomes))
        leverages = np.empty((len(X), self.arms))
        for start in range(0, len(X), _CHUNK):
            part = slice(start, start + _CHUNK)
            products = (X[part] @ self._stack.T).reshape(-1, self.arms, self._height)
            means[part] = products[..., d:]
            leverages[part] = np.matmul(products[..., :d], X[part, :, np.newaxis])[..., 0]
        return means, leverages

    def observe(self, arm: int, x: FloatArray, y: FloatArray) -> FloatArray:
        """Learn a row by one symmetric rank-one update of the block, in place.

        With p = P x: P loses p pᵀ / (1 + q) and Theta gains residual pᵀ / (1 + q). Both factors are scaled by
        √(1 + q), so that entries (i, j) and (j, i) of P are rounded alike; P - outer(p / (1 + q), p) is the same
        formula, but loses symmetry in the last bit, and a discount then amplifies the error.
        """
        block, columns = self._views[arm]
        products = block.dot(x, self._products)
        self._theta_products -= y
        blas.dscal(1.0 / sqrt(1.0 + self._inverse_products.dot(x)), products)
        # By position, which takes half the time of keywords: x, y, incx, incy, a, and overwrite all three.
        blas.dger(-1.0, self._inverse_products, products, 1, 1, columns, 1, 1, 1)
        return self._theta_products

    def refactorise(self, arm: int, gram: FloatArray, _n: int, /) -> None:
        """Set P from G."""
        self._blocks[arm, : self.dimension] = inverted(gram, self.ridge)

    def times_inverse(self, arm: int, rows: FloatArray) -> FloatArray:
        """Return rows P."""
        return rows @ self._blocks[arm, : self.dimension]

    def coefficients(self, arm: int) -> FloatArray:
        """Return a view of Theta."""
        return self._blocks[arm, self.dimension :]

    def inverse(self, arm: int) -> FloatArray:
        """Return P as a new matrix."""
        return self._blocks[arm, : self.dimension].copy()
