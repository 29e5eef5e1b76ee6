"""The posterior of one objective group: an empirical-Bayes ridge regression per arm.

The model is hierarchical. Coefficients of arm a are θ_a ~ N(m, σ²/λ · I) about a common model m, which is the
ridge regression over the rows of all arms: a request that is hard for one arm is hard for the others, so an arm
starts from the common model, not from zero, and cannot be excluded by a cold start. Outcomes have one
noise σ per objective, estimated from the ridge costs over all arms. Posterior mean and width are then

    θ_a = m + V_a⁻¹ (B_a − G_a m),   s_a(x) = σ̂ ‖x‖ in the norm of V_a⁻¹,   V_a = G_a + λ I.

Both m and σ are plugged in as if they were known (Morris, "Parametric empirical Bayes inference", JASA 1983), so
the widths are Bayesian widths given m and σ, not frequentist bounds.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from banditroute.core.arrays import OUTCOME_UNIT, FloatArray, RowArray
from banditroute.learning.posterior.ridge import RidgePosterior
from banditroute.learning.sums.exact import CROSS_UNIT, SQUARE_UNIT, ExactSums

# Before the first row: outcomes are expected in the middle of their bounds, with a noise of a quarter of the span.
# This prior has the weight of eight rows.
PRIOR_MEAN = 0.5
PRIOR_NOISE = 0.25
PRIOR_ROWS = 8
POOL_EVERY = 64


class GroupPosterior:
    """The arms' posteriors for one objective group, the common model and the noise.

    Attributes:
        positions: Positions of the group's objectives among all objectives.
        columns: The same positions, as an index for the last axis of an array.
        noise: σ̂ of each objective, scaled; shape (1, m).
        posterior: Coefficients and inverse Gram matrices of all arms.
        pool: Sums over all arms, without the rows that are pending.
        cross: Σ y xᵀ of each arm, without pending rows, as the nearest float; shape (arms, m, d) [2⁻³¹].
        squares: Σ y² of each arm, without pending rows, as the nearest float; shape (arms, m) [2⁻³²].
    """

    def __init__(
        self, name: str, positions: Sequence[int], dimension: int, *, intercept: bool, ridge: float
    ) -> None:
        self.name = name
        self.positions = list(positions)
        # Neighbouring columns become a slice, which takes a third of the time of a list of positions.
        first, last = self.positions[0], self.positions[-1]
        self.columns = slice(first, last + 1) if last - first == len(self.positions) - 1 else self.positions
        self._ridge = ridge
        self._intercept = intercept
        self.posterior = RidgePosterior(dimension, len(positions), ridge)
        self._declared: list[Mapping[int, float]] = []
        self._rows: list[int] = []
        # The ridge cost needs the posterior and these sums of each arm: Σ y xᵀ and Σ y², in units of the grid.
        self.cross: FloatArray = np.zeros((0, len(positions), dimension))
        self.squares: FloatArray = np.zeros((0, len(positions)))
        self.pool = ExactSums(dimension, len(positions))
        # Rows that only their arm's posterior has learned; ``_due`` of them are added to the pool at once.
        self._pending: list[tuple[int, RowArray, tuple[int, ...]]] = []
        self._due = 1
        # A buffer for the values of one row: setting a few numbers is faster than creating an array.
        self._y = np.empty(len(positions))
        self._common = self._common_model()
        self.noise = self._noise()

    def add_arms(self, priors: Sequence[Mapping[int, float]]) -> None:
        """Add arms that start from the common model, shifted to their declared means."""
        first, count = len(self._rows), len(priors)
        self._declared += priors
        self._rows += [0] * count
        self.cross = np.concatenate([self.cross, np.zeros((count, *self.cross.shape[1:]))])
        self.squares = np.concatenate([self.squares, np.zeros((count, len(self.positions)))])
        self.posterior.add_arms(np.stack([self._prior(arm) for arm in range(first, first + count)]))
        self._due = self._next_due()

    def predict_many(self, X: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return mean and width σ̂·‖x‖_{V⁻¹} of every arm and objective of this group; both (requests, arms, m)."""
        means, leverages = self.posterior.predict_many(X)
        # The product of a column and a row takes half the time of broadcasting them.
        return means, np.sqrt(leverages)[..., np.newaxis].dot(self.noise)

    def predictive(self, arm: int, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return mean and standard deviation of one arm's next outcome, with noise; both of shape (m,)."""
        means, leverages = self.posterior.predict(x)
        return means[arm], self.noise[0] * np.sqrt(1.0 + leverages[arm])

    def observe(self, arm: int, x: FloatArray, row: RowArray, values: tuple[int, ...]) -> None:
        """Learn one row and its values, both on the grid; ``x`` is the row as features."""
        for i, value in enumerate(values):
            self._y[i] = value * OUTCOME_UNIT
        self.posterior.observe(arm, x, self._y)
        self._rows[arm] += 1
        self._pending.append((arm, row, values))
        if len(self._pending) == self._due:
            self._learn_from_all()

    def rebuild(self, arm: int, sums: ExactSums, pooled: ExactSums) -> None:
        """Rebuild one arm after its sums were amended or their weights changed."""
        self.settle()
        self.pool = pooled
        self._load(arm, sums)
        self.posterior.refresh(arm, sums, self._prior(arm))

    def refresh(self, sums: Sequence[ExactSums], pooled: ExactSums) -> None:
        """Rebuild everything from exact sums, one per arm; the result depends on nothing else."""
        self._pending.clear()
        self.pool = pooled
        self._due = self._next_due()
        self._common = self._common_model()
        self.posterior = RidgePosterior(self.pool.dimension, len(self.positions), self._ridge)
        if sums:
            self.posterior.add_arms(self._priors())
        for arm, total in enumerate(sums):
            prior = self._prior(arm)
            self._load(arm, total)
            if total.n:
                self.posterior.refresh(arm, total, prior)
        self.noise = self._noise()

    def counts(self) -> FloatArray:
        """Return the number of rows of each arm; shape (arms,)."""
        return np.array(self._rows, dtype=np.float64)

    def _next_due(self) -> int:
        """Return how many rows may be pending; the common model is refitted at each power of 2, then every 64.

        The refit is less frequent where the dimension or the number of arms makes it expensive.
        """
        every = POOL_EVERY * -(-max(self.pool.dimension, len(self._rows)) // POOL_EVERY)
        seen = self.pool.n + len(self._pending)
        total = min(1 << seen.bit_length(), every) if seen < every else every * (seen // every + 1)
        return total - self.pool.n

    def settle(self) -> None:
        """Add the pending rows to the sums."""
        if self._pending:
            arms, rows, values = zip(*self._pending, strict=True)
            X, Y = np.stack(rows), np.array(values)
            self.pool.add(X, Y)
            np.add.at(self.cross, list(arms), Y[:, :, np.newaxis] * X[:, np.newaxis, :])
            np.add.at(self.squares, list(arms), Y**2)
            self._pending.clear()
        self._due = self._next_due()

    def _load(self, arm: int, sums: ExactSums) -> None:
        self._rows[arm] = sums.n
        self.cross[arm], self.squares[arm] = sums.cross.as_floats(), sums.squares.as_floats()

    def _learn_from_all(self) -> None:
        self.settle()
        self._common = self._common_model()
        self.posterior.reprior(self._priors())
        self.noise = self._noise()

    def _common_model(self) -> FloatArray:
        """Return the ridge regression over all arms about a constant, shape (m, d)."""
        n, centre = self.pool.n, np.zeros((len(self.positions), self.pool.dimension))
        if self._intercept:
            # The last column of Σ y xᵀ belongs to the constant 1, so it is Σ y.
            centre[:, -1] = (self.pool.cross_matrix()[:, -1] + PRIOR_MEAN) / (n + 1)
        if not n:
            return centre
        G = self.pool.gram_matrix()
        unexplained = self.pool.cross_matrix() - centre @ G
        G.flat[:: len(G) + 1] += self._ridge
        model: FloatArray = centre + np.linalg.solve(G, unexplained.T).T
        return model

    def _priors(self) -> FloatArray:
        return np.stack([self._prior(arm) for arm in range(len(self._rows))])

    def _prior(self, arm: int) -> FloatArray:
        declared = self._declared[arm]
        if not (declared and self._intercept):
            return self._common
        prior = self._common.copy()
        usual = (self.pool.cross_matrix()[:, -1] + PRIOR_MEAN) / (self.pool.n + 1)
        for j, position in enumerate(self.positions):
            if position in declared:
                prior[j, -1] += declared[position] - usual[j]
        return prior

    def _noise(self) -> FloatArray:
        """Return the root of the mean ridge cost per row over all arms; shape (1, m).

        An arm's ridge cost about its prior mean M is Σ y² + λ|M|² − (B + λM)·Θ, for each objective.
        """
        seen = [arm for arm, rows in enumerate(self._rows) if rows]
        costs = np.zeros((1, len(self.positions)))
        if seen:
            M, Theta = self._priors()[seen], self.posterior.all_coefficients()[seen]
            B = self.cross[seen] * CROSS_UNIT
            explained = ((B + self._ridge * M) * Theta).sum(axis=2)
            squares = self.squares[seen] * SQUARE_UNIT + self._ridge * (M * M).sum(axis=2)
            # A running sum adds in the order of the arms; numpy's sum may use another order and give other bits.
            costs += np.maximum(squares - explained, 0.0).cumsum(axis=0)[-1]
        noise: FloatArray = np.sqrt((PRIOR_ROWS * PRIOR_NOISE**2 + costs) / (PRIOR_ROWS + sum(self._rows)))
        return noise
