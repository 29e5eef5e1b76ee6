"""Confidence sequences: closed form, sums that may be amended, and coverage at all times at once."""

from math import inf, log, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import zeta as riemann_zeta

from banditroute.errors import InvalidArgumentError
from banditroute.learning.confidence import ConfidenceSequence, stitched_boundary


def test_the_boundary_is_the_stitched_one_of_the_paper() -> None:
    """Equation 10 with η = 2, s = 1.4, m = c²; worked out with the paper's letters."""
    eta, s, alpha, c, v = 2.0, 1.4, 0.01, 0.5, 30.0
    zeta = float(riemann_zeta(s))
    ell = s * log(log(eta * v / c**2)) + log(zeta / (alpha * log(eta) ** s))
    k1 = (eta**0.25 + eta**-0.25) / sqrt(2)
    k2 = (sqrt(eta) + 1) / 2
    assert stitched_boundary(v, scale=c, error=alpha) == pytest.approx(
        sqrt(k1**2 * v * ell + (k2 * c * ell) ** 2) + k2 * c * ell
    )


@given(st.floats(0, 1e6), st.floats(0.1, 50), st.floats(1e-4, 0.5))
def test_the_boundary_has_the_unit_of_its_sum(variance: float, scale: float, error: float) -> None:
    doubled = stitched_boundary(4 * variance, scale=2 * scale, error=error)
    assert doubled == pytest.approx(2 * stitched_boundary(variance, scale=scale, error=error))


def test_a_mean_without_terms_has_infinite_bounds() -> None:
    mean = ConfidenceSequence()
    assert (mean.mean, mean.half_width) == (0.0, inf)


def test_sums_by_hand() -> None:
    mean = ConfidenceSequence(scale=2.0, confidence=0.9)
    mean.add(0.25, guess=0.5)
    mean.add(1.5, guess=0.5)
    assert (mean.count, mean.mean, mean.variance) == (2, 0.875, 0.0625 + 1.0)
    assert mean.half_width == pytest.approx(stitched_boundary(1.0625, scale=2.0, error=0.05) / 2)
    mean.amend(1.5, 0.75, guess=0.5)
    assert (mean.count, mean.mean, mean.variance) == (2, 0.5, 0.125)
    mean.amend(0.75, None, guess=0.5)
    assert (mean.count, mean.mean, mean.variance) == (1, 0.25, 0.0625)


def left_at_any_time(half_width_factor: float, streams: int = 300, length: int = 600) -> float:
    """Share of streams of coin throws whose interval misses the mean of expectations so far at least once.

    The expectations change on the way, as those of a router that learns do.
    """
    rng = np.random.default_rng(5)
    missed = 0
    for _ in range(streams):
        chances = np.linspace(0.2, 0.7, length)
        throws = rng.random(length) < chances
        expected = np.cumsum(chances) / np.arange(1, length + 1)
        mean = ConfidenceSequence(confidence=0.9)
        for number, throw in enumerate(throws.tolist()):
            mean.add(float(throw), guess=mean.mean)
            if abs(mean.mean - expected[number]) > half_width_factor * mean.half_width:
                missed += 1
                break
    return missed / streams


def test_it_covers_at_all_times_at_once() -> None:
    assert left_at_any_time(1.0) <= 0.1


def test_control_a_narrower_interval_does_not() -> None:
    """As wide as an ordinary interval of 90 % at the end of a stream: peeking breaks it."""
    assert left_at_any_time(1.645 * sqrt(600 * 0.24) / stitched_boundary(600 * 0.24, scale=1.0, error=0.05)) > 0.1


@pytest.mark.parametrize(
    "settings", [{"scale": 0.0}, {"scale": inf}, {"confidence": 1.0}, {"confidence": 0.0}, {"confidence": "high"}]
)
def test_wrong_settings_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(InvalidArgumentError, match=next(iter(settings))):
        ConfidenceSequence(**settings)
