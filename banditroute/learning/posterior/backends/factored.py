"""Backend for many features: an arm with few rows stores only the rows of C in P = I / ridge - Cᵀ C."""

from collections.abc import Sequence
from copy import deepcopy
from math import sqrt
from typing import Any, Self

import numpy as np

from banditroute.core.arrays import FloatArray
from banditroute.learning.posterior.backends import blas
from banditroute.learning.posterior.backends.base import Leverages
from banditroute.learning.posterior.backends.cholesky import factor_of_difference, inverted
from banditroute.learning.posterior.backends.growth import with_capacity
from banditroute.learning.posterior.backends.triangle import Packing

_FIRST_ROWS = 8


class LowRankBackend:
    """Holds P as a factor until an arm has d/2 rows, then as a triangle; an :class:`~.base.InverseBackend`."""

    def __init__(self, dimension: int, outcomes: int, ridge: float) -> None:
        self._d = dimension
        self._m = outcomes
        self._ridge = ridge
        self._packing = Packing(dimension)
        self._theta_store = np.empty((1, outcomes, dimension))
        self._inverses: list[_Cold | _Dense] = []
        self._resize()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return a copy; the arrays share memory, which the standard copy would not keep."""
        other = type(self)(self._d, self._m, self._ridge)
        other._theta_store, other._inverses = self._theta_store.copy(), deepcopy(self._inverses, memo)
        other._resize()
        return other

    def _resize(self) -> None:
        arms = len(self._inverses)
        self._thetas = self._theta_store[:arms]
        self._theta_stack = self._thetas.reshape(arms * self._m, self._d)

    def add(self, thetas: FloatArray) -> None:
        """Append cold arms."""
        first, count = len(self._inverses), len(self._inverses) + len(thetas)
        self._theta_store = with_capacity(self._theta_store, first, count)
        self._theta_store[first:count] = thetas
        self._inverses += [_Cold(np.empty((0, self._d)), self._ridge) for _ in thetas]
        self._resize()

    def predict(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return means by one product, and leverages by one small product per arm."""
        return self.means(x), self.leverages(x)(None)

    def means(self, x: FloatArray) -> FloatArray:
        """Return means by one product."""
        means: FloatArray = self._theta_stack.dot(x).reshape(-1, self._m)
        return means

    def leverages(self, x: FloatArray) -> Leverages:
        """Return a function that computes leverages by one small product per arm."""
        cold = float(x.dot(x)) / self._ridge
        square: FloatArray | None = None

        def of_one(inverse: _Cold | _Dense) -> float:
            nonlocal square
            if isinstance(inverse, _Cold):
                z = inverse.factor.dot(x)
                return cold - float(z.dot(z)) if inverse.count else cold
            if square is None:
                square = self._packing.square(x)
            return float(inverse.triangle.dot(square))

        def compute(arms: Sequence[int] | None) -> FloatArray:
            indices = range(len(self._inverses)) if arms is None else arms
            return np.array([of_one(self._inverses[arm]) for arm in indices])

        return compute

    def predict_many(self, X: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return means by one matrix product, and leverages by one per arm."""
        means = (X @ self._theta_stack.T).reshape(len(X), -1, self._m)
        cold = np.einsum("td,td->t", X, X) / self._ridge
        leverages = np.empty((len(X), len(self._inverses)))
        for arm, inverse in enumerate(self._inverses):
            if isinstance(inverse, _Cold):
                Z = X @ inverse.factor.T
                leverages[:, arm] = cold - np.einsum("tr,tr->t", Z, Z)
            else:
                Z = X @ self._packing.unpack(inverse.triangle)
                leverages[:, arm] = np.einsum("td,td->t", Z, X)
        return means, leverages

    def observe(self, arm: int, x: FloatArray, y: FloatArray) -> FloatArray:
        """Learn a row: a cold arm's factor gains one row, a dense arm's triangle is updated."""
        theta = self._thetas[arm]
        inverse = self._inverses[arm]
        products = inverse.times(x)
        errors: FloatArray = theta.dot(x) - y
        root = sqrt(1.0 + products.dot(x))
        products /= root
        errors /= root
        inverse.subtract_outer(products)
        blas.dger(-1.0, products, errors, 1, 1, theta.T, 1, 1, 1)
        if isinstance(inverse, _Cold) and inverse.count >= self._d // 2:
            self._inverses[arm] = _Dense(self._packing.pack(inverse.matrix()), self._d)
        return errors

    def refactorise(self, arm: int, gram: FloatArray, n: int, /) -> None:
        """Set P from G: as a factor while its rank is low, else as a triangle."""
        most = self._d // 2 - 1
        factor = factor_of_difference(gram, self._ridge, most) if n <= most else None
        if factor is None:
            triangle = self._packing.pack(inverted(gram, self._ridge))
            self._inverses[arm] = _Dense(triangle, self._d)
        else:
            self._inverses[arm] = _Cold(factor, self._ridge)

    def times_inverse(self, arm: int, rows: FloatArray) -> FloatArray:
        """Return rows P."""
        products: FloatArray = np.stack([self._inverses[arm].times(row) for row in rows])
        return products

    def coefficients(self, arm: int) -> FloatArray:
        """Return a view of Theta."""
        theta: FloatArray = self._thetas[arm]
        return theta

    def inverse(self, arm: int) -> FloatArray:
        """Return P as a new matrix."""
        inverse = self._inverses[arm]
        return inverse.matrix() if isinstance(inverse, _Cold) else self._packing.unpack(inverse.triangle)


class _Cold:
    """P = I / ridge - Cᵀ C of an arm with few rows, held as its factor C."""

    __slots__ = ("_ridge", "_rows", "count", "factor")

    def __init__(self, factor: FloatArray, ridge: float) -> None:
        self._rows = factor
        self._ridge = ridge
        self.count = len(factor)
        self.factor = factor

    def times(self, x: FloatArray) -> FloatArray:
        products: FloatArray = x / self._ridge
        if self.count:
            products -= self.factor.dot(x).dot(self.factor)
        return products

    def subtract_outer(self, u: FloatArray) -> None:
        """Update P -= u uᵀ."""
        if self.count == len(self._rows):
            grown = np.empty((min(max(_FIRST_ROWS, 2 * self.count), len(u)), len(u)))
            grown[: self.count] = self.factor
            self._rows = grown
        self._rows[self.count] = u
        self.count += 1
        self.factor = self._rows[: self.count]

    def matrix(self) -> FloatArray:
        matrix: FloatArray = self.factor.T @ self.factor
        np.negative(matrix, out=matrix)
        matrix.ravel()[:: len(matrix) + 1] += 1.0 / self._ridge
        return matrix


class _Dense:
    """P of an arm with many rows, held as a packed triangle."""

    __slots__ = ("_d", "triangle")

    def __init__(self, triangle: FloatArray, dimension: int) -> None:
        self._d = dimension
        self.triangle = triangle

    def times(self, x: FloatArray) -> FloatArray:
        products: FloatArray = blas.dspmv(self._d, 1.0, self.triangle, x)
        return products

    def subtract_outer(self, u: FloatArray) -> None:
        """Update P -= u uᵀ."""
        blas.dspr(self._d, -1.0, u, self.triangle, 1, 0, 0, 1)
