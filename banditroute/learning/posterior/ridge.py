"""The multi-objective ridge posterior of all arms: a cache that learns row by row."""

from math import isfinite

import numpy as np

from banditroute.core.arrays import FloatArray
from banditroute.core.objectives import MAX_OBJECTIVES
from banditroute.errors import InvalidArgumentError
from banditroute.learning.posterior.backends.base import InverseBackend, Leverages
from banditroute.learning.posterior.backends.factored import LowRankBackend
from banditroute.learning.posterior.backends.packed import PackedBackend
from banditroute.learning.posterior.backends.stacked import DenseBackend
from banditroute.learning.sums.exact import MAX_DIMENSION, ExactSums

# Measured. From 128 features on, a d × d matrix wastes memory for an arm with few rows. From 4,096 = arms ×
# features on, reading the matrices takes most of the time, and half of each is enough; below, the number of calls
# does.
_FACTORED_FROM = 128
_PACKED_FROM = 4096
# From this many numbers in all inverses on, it is faster to read only the arms that matter for the choice.
_LAZY_FROM = 1 << 18


class RidgePosterior:
    """Predicts means and leverages of the arms' outcomes, for the objectives of one group.

    An arm with sums G and B and prior mean M has V = ridge I + G and Theta = M + (B - M G) V⁻¹: the coefficients
    that minimise Σ (y - Theta x)² + ridge |Theta - M|² for each objective. The objectives of a group share V,
    since their outcomes arrive together.

    This is a cache: :meth:`refresh` computes an arm from exact sums, :meth:`observe` updates it row by row, and
    the two agree up to rounding. Its bits are a function of each arm's refreshes and observations, in their order.
    It is never discounted or stored. It is not thread-safe: the owner holds a lock.

    Attributes:
        backend: Holds V⁻¹ and Theta of all arms.
        is_lazy: Whether :meth:`means` and the :meth:`leverages` of a few arms are faster than
            :meth:`predict`.

    >>> posterior = RidgePosterior(2, 1, ridge=4.0)
    >>> arm = posterior.add_arm()
    >>> means, leverages = posterior.predict(np.array([0.0, 1.0]))
    >>> means, leverages
    (array([[0.]]), array([0.25]))
    >>> posterior.observe(arm, np.array([0.0, 1.0]), np.array([1.0])) ** 2
    array([0.8])
    >>> posterior.coefficients(arm)
    array([[0. , 0.2]])
    """

    def __init__(self, dimension: int, outcomes: int, ridge: float) -> None:
        if not 1 <= dimension <= MAX_DIMENSION:
            raise InvalidArgumentError(f"dimension = {dimension} is outside [1, {MAX_DIMENSION}]")
        if not 1 <= outcomes <= MAX_OBJECTIVES:
            raise InvalidArgumentError(f"outcomes = {outcomes} is outside [1, {MAX_OBJECTIVES}]")
        if not (isfinite(ridge) and ridge > 0):
            raise InvalidArgumentError(f"ridge = {ridge!r} must be a finite number above 0")
        self.dimension = dimension
        self.outcomes = outcomes
        self.ridge = float(ridge)
        self._priors: list[FloatArray] = []
        self._cold: list[bool] = []
        backend = LowRankBackend if dimension >= _FACTORED_FROM else DenseBackend
        self.backend: InverseBackend = backend(dimension, outcomes, self.ridge)
        self.is_lazy = False

    def __len__(self) -> int:
        """Return the number of arms N."""
        return len(self._priors)

    def add_arm(self, prior: FloatArray | None = None) -> int:
        """Append an arm without rows, and return its index; ``prior``, shape (m, d), is zero by default."""
        self.add_arms(np.zeros((1, self.outcomes, self.dimension)) if prior is None else prior[np.newaxis])
        return len(self) - 1

    def add_arms(self, priors: FloatArray) -> None:
        """Append k arms without rows; ``priors`` has shape (k, m, d)."""
        means = self._checked(priors)
        count = len(self) + len(means)
        if isinstance(self.backend, DenseBackend) and count * self.dimension >= _PACKED_FROM:
            self.backend = PackedBackend.of(self.backend)
        self.backend.add(means)
        self._priors += list(means.copy())
        self._cold += [True] * len(means)
        self.is_lazy = count * self.dimension * (self.dimension + 1) // 2 >= _LAZY_FROM

    def predict(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the prediction of each arm for the context x of shape (d,).

        Returns:
            Means Theta x, shape (N, m), and leverages xᵀ V⁻¹ x, shape (N,); new arrays. A cold arm has leverage
            |x|² / ridge.
        """
        return self.backend.predict(x)

    def means(self, x: FloatArray) -> FloatArray:
        """Return the means alone, shape (N, m)."""
        return self.backend.means(x)

    def leverages(self, x: FloatArray) -> Leverages:
        """Return a function that computes the leverages of the requested arms; none exceeds |x|² / ridge."""
        return self.backend.leverages(x)

    def predict_many(self, X: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the prediction of each row of X, shape (T, d): means (T, N, m) and leverages (T, N)."""
        return self.backend.predict_many(X)

    def observe(self, arm: int, x: FloatArray, y: FloatArray) -> FloatArray:
        """Learn one row of one arm: recursive least squares.

        Returns:
            The errors (Theta x - y) / √(1 + xᵀ V⁻¹ x) before learning; shape (m,), valid until the next
            row. The ridge cost that :meth:`refresh` returns grows by their squares.
        """
        self._cold[arm] = False
        return self.backend.observe(arm, x, y)

    def refresh(self, arm: int, sums: ExactSums, prior: FloatArray) -> FloatArray:
        """Rebuild an arm from its exact sums, about the prior mean of shape (m, d).

        Returns:
            The ridge cost of each objective, shape (m,): the least Σ (y - theta x)² + ridge |theta - prior|².

        Raises:
            InvalidArgumentError: if ridge I + G is not positive definite to working precision (code
                ``ridge.singular``): the sums are not sums of rows, or the ridge is too small for them. The arm
                is then unchanged.
        """
        if (sums.dimension, sums.outcomes) != (self.dimension, self.outcomes):
            raise InvalidArgumentError(
                f"sums have shape {(sums.dimension, sums.outcomes)}, "
                f"the posterior has {(self.dimension, self.outcomes)}"
            )
        (mean,) = self._checked(prior[np.newaxis])
        G, B = sums.gram_matrix(), sums.cross_matrix()
        try:
            self.backend.refactorise(arm, G, sums.n)
        except np.linalg.LinAlgError as error:
            raise InvalidArgumentError(
                f"arm {arm} with n = {sums.n} and ridge = {self.ridge:g} has no posterior: {error}",
                code="ridge.singular",
            ) from None
        unexplained = B - mean @ G
        theta = mean + self.backend.times_inverse(arm, unexplained)
        self.backend.coefficients(arm)[...] = theta
        self._priors[arm] = mean.copy()
        self._cold[arm] = not sums.n
        # The cost is Σ y² - M·B - Theta·(B - M G): two subtractions from Σ y², no product of residuals.
        cost: FloatArray = sums.square_sums() - np.sum(mean * B, axis=1) - np.sum(theta * unexplained, axis=1)
        return np.maximum(cost, 0.0)

    def reprior(self, priors: FloatArray) -> None:
        """Change the prior means, shape (N, m, d) or (m, d) for all arms, without a new factorisation.

        Theta moves by ridge (new - old) V⁻¹: an arm with fewer rows moves further.
        """
        shape = (self.outcomes, self.dimension)
        if priors.shape not in (shape, (len(self), *shape)) or not np.isfinite(priors).all():
            raise InvalidArgumentError(
                f"priors must be finite and of shape {(len(self), *shape)} or {shape}, got shape {priors.shape}"
            )
        for arm, new in enumerate(np.broadcast_to(priors, (len(self), *shape))):
            move = self.ridge * (new - self._priors[arm])
            if not move.any():
                continue
            theta = self.backend.coefficients(arm)
            if self._cold[arm]:
                # Set exactly, so that the bits do not depend on how often the prior moved before the first row.
                theta[...] = new
            else:
                theta += self.backend.times_inverse(arm, move)
            self._priors[arm] = new.copy()

    def coefficients(self, arm: int) -> FloatArray:
        """Return Theta of an arm, shape (m, d), as a new array."""
        return self.backend.coefficients(arm).copy()

    def all_coefficients(self) -> FloatArray:
        """Return Theta of all arms, shape (N, m, d), as a new array."""
        return np.stack([self.backend.coefficients(arm) for arm in range(len(self))])

    def inverse(self, arm: int) -> FloatArray:
        """Return V⁻¹ of an arm, shape (d, d), as a new array."""
        return self.backend.inverse(arm)

    def _checked(self, priors: FloatArray) -> FloatArray:
        if priors.shape[1:] != (self.outcomes, self.dimension) or not np.isfinite(priors).all():
            raise InvalidArgumentError(
                f"prior must be finite and of shape {(self.outcomes, self.dimension)}, "
                f"got shape {priors.shape[1:]}"
            )
        return priors
