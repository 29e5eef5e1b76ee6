"""R1: feedback that comes late, twice, out of order or never."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeAlias

import numpy as np

from banditroute import Arm, LinUCB, Objective, Router
from banditroute.core.arrays import FloatArray, feature_row
from banditroute.testing import ridge_model_of
from banditroute.testing.world import SECRET, bodies
from simulations.reliability.harness.row import Finding, Tick

Order: TypeAlias = Sequence[int]
LO, HI = -5.0, 5.0


def reversed_order(count: int, _rng: np.random.Generator) -> Order:
    """The last one first."""
    return range(count - 1, -1, -1)


def duplicated(count: int, rng: np.random.Generator) -> Order:
    """All of it twice, the second time mixed up."""
    return [*range(count), *rng.permutation(count).tolist()]


def reordered(count: int, rng: np.random.Generator) -> Order:
    """One in a hundred comes after all others."""
    late = set(rng.choice(count, size=max(count // 100, 1), replace=False).tolist())
    return [i for i in range(count) if i not in late] + sorted(late)


def shuffled(count: int, rng: np.random.Generator) -> Order:
    """In any order."""
    order: list[int] = rng.permutation(count).tolist()
    return order


ORDERS: Mapping[str, Callable[[int, np.random.Generator], Order]] = {
    "reversed": reversed_order,
    "twice": duplicated,
    "1 % late": reordered,
    "shuffled": shuffled,
}


@dataclass(frozen=True, slots=True)
class Late:
    """So many decisions, whose feedback, all of it below zero, comes in each order."""

    id: ClassVar[str] = "R1"
    does: ClassVar[str] = (
        "feedback reversed, twice, 1 % late, shuffled; and each with 20 % missing; all values negative"
    )
    asks: ClassVar[str] = "sums and posterior bitwise as in order; mean value as told"
    control: ClassVar[str] = "a maximum that starts from the smallest positive number"

    decisions: int = 3_000
    missing: float = 0.2

    def measure(self, place: Path, tick: Tick) -> Finding:  # noqa: ARG002  (memory is enough)
        """Each order, with all of the feedback and with a part of it."""
        rng = np.random.default_rng(71)
        values = rng.uniform(LO, -0.001, self.decisions)
        told = rng.random(self.decisions) >= self.missing
        differing, done = 0, 0
        for there in (np.ones(self.decisions, dtype=bool), told):
            expected = self._learned(range(self.decisions), values, there)
            for order in ORDERS.values():
                differing += self._learned(order(self.decisions, rng), values, there) != expected
                tick(done := done + 1, 2 * len(ORDERS))
        router = self._fed(range(self.decisions), values, told)
        error = abs(_mean(router) - float(values[told].mean()))
        tiny = max(float(np.finfo(np.float32).tiny), *values.tolist())
        measured: dict[str, float | str] = {
            "orders": 2 * len(ORDERS),
            "differ in a bit": differing,
            "error of the mean": error,
        }
        # Half a unit of the grid of outcomes for each value at most.
        holds = not differing and error <= (HI - LO) * 2.0**-17
        return Finding(measured, holds, {"said to be the largest": tiny}, tiny != float(values.max()))

    def _learned(self, order: Order, values: FloatArray, there: np.ndarray) -> tuple[str, bytes]:
        """Return the digest, and the expectation after the factors were recomputed from the sums."""
        router = self._fed(order, values, there)
        model = ridge_model_of(router)
        model._refresh()
        expected = model.predict(feature_row(np.array([0.5, -0.25]), intercept=True))
        return router.digest(), expected.mean.tobytes() + expected.width.tobytes()

    def _fed(self, order: Order, values: FloatArray, there: np.ndarray) -> Router:
        """Return a router that made all its decisions before any feedback."""
        router = Router(
            "late",
            arms=[Arm("a"), Arm("b")],
            objectives=[Objective("gain", bounds=(LO, HI))],
            policy=LinUCB(ridge=3.0),
            secret=SECRET,
            ids=bodies(),
            clock=lambda: 1e9,
        )
        X = np.random.default_rng(72).uniform(-1, 1, (self.decisions, 2))
        ids = [router.route(x).id for x in X]
        for i in order:
            if there[i]:
                router.feedback(ids[i], gain=float(values[i]))
        return router


def _mean(router: Router) -> float:
    """Return the mean of all reported values, from the sums alone."""
    pooled = ridge_model_of(router).table.pooled("gain")
    return LO + (HI - LO) * float(pooled.cross_matrix()[0, -1]) / pooled.n
