"""N5: widths and probabilities are those of the closed form, and intervals cover what they say."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeAlias

import numpy as np

from banditroute import Exploration, LinTS
from banditroute.core.arrays import FloatArray
from banditroute.core.prediction import Prediction
from banditroute.learning import RidgePosterior
from banditroute.testing import situation
from simulations.reliability.harness.row import Finding, Tick

RIDGES = tuple(10.0**power for power in range(-3, 4))
LEVELS = {0.90: 1.6448536269514722, 0.95: 1.959963984540054, 0.99: 2.5758293035489004}
NOISE = 0.3
_CHUNK = 200

Leverage: TypeAlias = Callable[[FloatArray, float], FloatArray]
"""Turns (right leverages, λ) into those of a known mistake."""


def right(leverages: FloatArray, _ridge: float) -> FloatArray:
    """What ours are."""
    return leverages


def square_root_twice(leverages: FloatArray, _ridge: float) -> FloatArray:
    """So that the width, the root of it, is a root twice."""
    return np.sqrt(leverages)


@dataclass(frozen=True, slots=True)
class Widths:
    """Intervals of so many worlds, probabilities against so many draws."""

    id: ClassVar[str] = "N5"
    does: ClassVar[str] = "cold width for λ from 1e-3 to 1e3; LinTS against draws; 90, 95, 99 % intervals"
    asks: ClassVar[str] = "√(x'x/λ) ± 1e-12; within 4 s.e.; coverage within ± 1 %"
    control: ClassVar[str] = "an inverse that starts at λI, and a root taken twice, fail all three"

    trials: int = 20_000
    draws: int = 100_000
    situations: int = 10
    tolerance: float = 0.01

    def measure(self, place: Path, tick: Tick) -> Finding:  # noqa: ARG002  (numbers need no files)
        """Three comparisons, each with two mistakes."""
        cold, cold_inverse = _cold_error(start_at_ridge=False), _cold_error(start_at_ridge=True)
        shares = max(_errors_of_shares(self.situations, self.draws, right))
        shares_root = max(_errors_of_shares(self.situations, self.draws, square_root_twice))
        coverage = self._coverage(tick, right, start_at_ridge=False)
        root = self._coverage(tick, square_root_twice, start_at_ridge=False)
        inverse = self._coverage(tick, right, start_at_ridge=True)
        measured: dict[str, float | str] = {
            "relative error of cold widths": cold,
            "s.e. between LinTS and draws, at most": shares,
            "coverage": ", ".join(f"{covered:.1%} of {level:.0%}" for level, covered in coverage.items()),
        }
        holds = cold <= 1e-12 and shares <= 4 and _worst(coverage) <= self.tolerance
        control: dict[str, float | str] = {
            "λI": f"cold widths off by {cold_inverse:.3g}, coverage by {_worst(inverse):.1%}",
            "root twice": f"LinTS off by {shares_root:.3g} s.e., coverage by {_worst(root):.1%}",
        }
        caught = min(_worst(inverse), _worst(root)) > self.tolerance and cold_inverse > 1e-12 and shares_root > 4
        return Finding(measured, holds, control, caught)

    def _coverage(self, tick: Tick, leverage: Leverage, *, start_at_ridge: bool) -> dict[float, float]:
        """Level → share of the worlds whose mean lay inside; the noise is known."""
        inside = dict.fromkeys(LEVELS, 0)
        rng = np.random.default_rng(12)
        for done in range(0, self.trials, _CHUNK):
            error, widths = _worlds(rng, _CHUNK, leverage, start_at_ridge=start_at_ridge)
            for level, deviations in LEVELS.items():
                inside[level] += int((np.abs(error) <= deviations * widths).sum())
            tick(done + _CHUNK, self.trials)
        trials = -(-self.trials // _CHUNK) * _CHUNK
        return {level: count / trials for level, count in inside.items()}


def _worst(coverage: dict[float, float]) -> float:
    return max(abs(covered - level) for level, covered in coverage.items())


def _posterior(dimension: int, outcomes: int, ridge: float, *, start_at_ridge: bool) -> RidgePosterior:
    # An inverse that starts at λI is that of a ridge of 1/λ.
    return RidgePosterior(dimension, outcomes, 1 / ridge if start_at_ridge else ridge)


def _cold_error(*, start_at_ridge: bool) -> float:
    """Of the widths of an arm that saw nothing, the largest over all ridges and forms, relative."""
    rng, errors = np.random.default_rng(11), []
    for ridge in RIDGES:
        for dimension in (5, 64, 200):
            posterior = _posterior(dimension, 1, ridge, start_at_ridge=start_at_ridge)
            for _ in range(65 if dimension == 64 else 1):
                posterior.add_arm()
            x = rng.normal(size=dimension)
            expected = np.sqrt(x @ x / ridge)
            errors.append(abs(float(np.sqrt(posterior.predict(x)[1][0]) / expected) - 1))
    return max(errors)


def _worlds(
    rng: np.random.Generator, count: int, leverage: Leverage, *, start_at_ridge: bool
) -> tuple[FloatArray, FloatArray]:
    """As many worlds θ ~ N(0, σ²/λ), each learned by an arm of its own: error of a mean, and one width of it."""
    ridge, dimension = float(10.0 ** rng.uniform(0.5, 2)), 4
    posterior = _posterior(dimension, 1, ridge, start_at_ridge=start_at_ridge)
    theta = rng.normal(size=(count, dimension)) * NOISE / np.sqrt(ridge)
    for arm in range(count):
        posterior.add_arm()
        X = rng.normal(size=(int(rng.integers(0, 12)), dimension))
        for x, y in zip(X, X @ theta[arm] + NOISE * rng.normal(size=len(X)), strict=True):
            posterior.observe(arm, x, np.array([y]))
    x = rng.normal(size=dimension)
    means, leverages = posterior.predict(x)
    return means[:, 0] - theta @ x, NOISE * np.sqrt(leverage(leverages, ridge))


def _errors_of_shares(situations: int, draws: int, leverage: Leverage) -> Iterator[float]:
    """How many standard errors lie between LinTS's probabilities and the shares of draws from the closed form."""
    rng, arms, dimension, alpha = np.random.default_rng(13), 4, 5, 0.7
    policy = LinTS(alpha=alpha, exploration=Exploration(floor=0.0, burn_in=0, wait_for=0))
    weights = np.array([1.0, -0.6])
    for _ in range(situations):
        ridge = float(10.0 ** rng.uniform(-1, 1))
        posterior, x = RidgePosterior(dimension, 2, ridge), rng.normal(size=dimension)
        utilities = np.zeros((draws, arms))
        for arm in range(arms):
            posterior.add_arm()
            X, Y = rng.normal(size=(8, dimension)), rng.normal(size=(8, 2)) * NOISE
            for row, y in zip(X, Y, strict=True):
                posterior.observe(arm, row, y)
            covariance = np.linalg.inv(X.T @ X + ridge * np.eye(dimension))
            for j, weight in enumerate(weights):
                theta = rng.multivariate_normal(
                    covariance @ X.T @ Y[:, j], (alpha * NOISE) ** 2 * covariance, draws, method="cholesky"
                )
                utilities[:, arm] += weight * (theta @ x)
        means, leverages = posterior.predict(x)
        widths = NOISE * np.sqrt(leverage(leverages, ridge))[:, np.newaxis].repeat(2, axis=1)
        given = situation(
            0,
            arms,
            2,
            eligible=np.ones(arms, dtype=bool),
            prediction=Prediction.exact(means, widths),
            weights=weights,
        )
        probabilities = policy.probabilities(given)
        shares = np.bincount(utilities.argmax(axis=1), minlength=arms) / draws
        deviation = np.sqrt(np.maximum(probabilities * (1 - probabilities), 1 / draws) / draws)
        yield float((np.abs(shares - probabilities) / deviation).max())
