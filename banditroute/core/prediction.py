"""Predicted means and widths of every arm in one context; widths can be computed on demand."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from banditroute.core.arrays import FloatArray

RootLeverages: TypeAlias = Callable[[Sequence[int] | None], FloatArray]
"""Places of some arms (None: all) → ‖x‖ in the norm of V⁻¹ of each, by objective group; shape (places, groups)."""


class Prediction:
    """Means and widths of all arms in one context, scaled to the objectives' bounds.

    The width of arm a in objective j is s_aj = r_ag σ̂_j f_aj: the root leverage r of the arm, in the group g to
    which the objective belongs, times the noise of the objective, times the price factor of a cost.

    Attributes:
        mean: Expected outcome; shape (arms, objectives).
    """

    __slots__ = ("_factors", "_noise", "_root_leverages", "mean")

    is_exact = True
    """Whether the widths of all arms are known."""

    def __init__(self, mean: FloatArray, roots: FloatArray, noise: FloatArray) -> None:
        """Make one of root leverages, (arms, groups), and noise, (groups, objectives), 0 outside a group."""
        self.mean = mean
        self._root_leverages = roots
        self._noise = noise
        self._factors: FloatArray | None = None

    @classmethod
    def exact(cls, mean: FloatArray, width: FloatArray) -> "Prediction":
        """Make a prediction of means and widths, both of shape (arms, objectives)."""
        return Prediction(mean, width, np.eye(width.shape[1]))

    @property
    def width(self) -> FloatArray:
        """One standard width of every mean, exactly; a new array of shape (arms, objectives)."""
        self.compute_all()
        return self.width_bound

    @property
    def width_bound(self) -> FloatArray:
        """An upper bound of each width, exact where asked for; a new array of shape (arms, objectives)."""
        width: FloatArray = self._root_leverages.dot(self._noise)
        if self._factors is not None:
            width *= self._factors
        return width

    def weighted(self, weights: FloatArray) -> FloatArray:
        """Σ_j weights_j s_aj of what :attr:`width_bound` gives, for weights ≥ 0; shape (arms,)."""
        if self._factors is not None:
            weighted: FloatArray = self.width_bound.dot(weights)
        else:
            # The same, with the small product first.
            weighted = self._root_leverages.dot(self._noise.dot(weights))
        return weighted

    def scale(self, objective: int, factors: FloatArray) -> None:
        """Multiply the widths of one objective, arm by arm, by what is not negative; shape (arms,)."""
        self._factors = np.ones_like(self.mean)
        self._factors[:, objective] = factors

    def compute_widths(self, arms: Sequence[int]) -> None:
        """Make the widths of some arms exact, by their places."""

    def compute_all(self) -> None:
        """Make the widths of all arms exact."""


class LazyPrediction(Prediction):
    """A prediction with a bound on all widths, which computes single widths on demand.

    With many arms and features nearly all the time of a decision goes into the leverages, and few arms are ever
    near to be chosen. But no root leverage exceeds ‖x‖/√λ: that is cheap, and enough for the others.

    The posterior is read when something is asked, hence this is valid until the next row is learned: ask before
    that for what you want to keep. Not safe for threads: the router asks within its lock.

    >>> widths = np.array([[1.0], [2.0], [2.5]])
    >>> lazy = LazyPrediction(np.zeros((3, 1)), 3.0, np.array([[0.5]]), lambda arms: widths[arms])
    >>> lazy.width_bound.T
    array([[1.5, 1.5, 1.5]])
    >>> lazy.compute_widths([1])
    >>> lazy.width_bound.T
    array([[1.5, 1. , 1.5]])
    """

    __slots__ = ("_known", "_work_out", "is_exact")

    def __init__(self, mean: FloatArray, limit: float, noise: FloatArray, work_out: RootLeverages) -> None:
        """Make a prediction of root leverages that ``work_out`` computes, none above ``limit``."""
        roots = np.empty((len(mean), len(noise)))
        roots.fill(limit)
        super().__init__(mean, roots, noise)
        self.is_exact = False
        self._known: set[int] = set()
        self._work_out = work_out

    def compute_widths(self, arms: Sequence[int]) -> None:
        """Make the widths of some arms exact, by their places; what was worked out before keeps its bits."""
        missing = [] if self.is_exact else [arm for arm in arms if arm not in self._known]
        if missing:
            self._root_leverages[missing] = self._work_out(missing)
            self._known.update(missing)

    def compute_all(self) -> None:
        """Make the widths of all arms exact, by one product."""
        if not self.is_exact:
            self._root_leverages = self._work_out(None)
            self.is_exact = True
