"""Why the rank-one update scales both of its factors by √(1 + q), and why nothing here discounts an inverse.

Under a discount γ an asymmetry of one last bit grows as γ^-t, and is as large as P itself after
ln(1 / ε) / (1 - γ) steps: 36,043 at γ = 0.999. A shorter test sees nothing, so a stronger discount stands in for
the hours: 3,600 steps at 0.99.
"""

from collections.abc import Callable

import numpy as np
import pytest

from banditroute.core.arrays import FloatArray
from banditroute.learning.posterior.backends.stacked import DenseBackend

GAMMA, STEPS, DIMENSION = 0.99, 8_000, 6


def one_sided(P: FloatArray, x: FloatArray) -> FloatArray:
    v = P @ x
    return P - np.outer(v / (1 + x @ v), v)


def two_sided(P: FloatArray, x: FloatArray) -> FloatArray:
    u = P @ x
    u /= np.sqrt(1 + x @ u)
    return P - np.outer(u, u)


def ours(P: FloatArray, x: FloatArray) -> FloatArray:
    form = DenseBackend(DIMENSION, 1, 1.0)
    form.add(np.zeros((1, 1, DIMENSION)))
    # Private: a backend takes its inverse from exact sums only, and this one has decayed.
    form._blocks[0, :DIMENSION] = P
    form.observe(0, x, np.ones(1))
    return form.inverse(0)


def first_bad_width(update: Callable[[FloatArray, FloatArray], FloatArray]) -> int | None:
    rng = np.random.default_rng(1)
    P = np.eye(DIMENSION)
    probes = rng.normal(size=(20, DIMENSION))
    for step in range(STEPS):
        P = update(P / GAMMA, rng.normal(size=DIMENSION))
        if step % 50 == 0 and not (np.einsum("pd,de,pe->p", probes, P, probes) > 0).all():
            return step
    return None


def test_the_one_sided_form_loses_symmetry_and_then_its_widths() -> None:
    with np.errstate(all="ignore"):
        step = first_bad_width(one_sided)
    assert step is not None
    assert step > 2_000


@pytest.mark.parametrize("update", [two_sided, ours])
def test_the_two_sided_form_keeps_them(update: Callable[[FloatArray, FloatArray], FloatArray]) -> None:
    assert first_bad_width(update) is None
