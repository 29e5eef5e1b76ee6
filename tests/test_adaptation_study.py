"""Runs the study of adaptation on small data, and checks its measures."""

import numpy as np
import pytest

from banditroute.controllers import Drift
from simulations.adaptation.alarms import alarms_of
from simulations.adaptation.conversations import Caches, Turn, serve
from simulations.adaptation.degraded import Phases, degraded
from simulations.adaptation.drive import dropped
from simulations.adaptation.outages import outage
from simulations.adaptation.run import CONFIG

TRACE = [
    Turn(float(t), 2_000 + 500 * (t // 40), 100, tuple(range(t % 40 * 9, t % 40 * 9 + 4)), t % 40)
    for t in range(200)
]


@pytest.mark.parametrize("binary", [False, True])
def test_a_drop_is_as_large_as_it_says(binary: bool) -> None:
    rng = np.random.default_rng(1)
    quality = (rng.random((40_000, 2)) < 0.8).astype(float) if binary else rng.uniform(0.0, 1.0, (40_000, 2))
    worse = dropped(quality, 1, 0.15, binary=binary, seed=2)
    assert quality[:, 1].mean() - worse[:, 1].mean() == pytest.approx(0.15, abs=0.01)
    assert (worse[:, 0] == quality[:, 0]).all()
    assert worse.min() >= 0


def test_a_drop_is_found_and_calm_is_calm() -> None:
    assert alarms_of("judge", 900, 0).alarms == 0
    assert alarms_of("judge", 2_400, 0, drop_of=1).delay < 150


def test_prefixes_are_there_until_they_are_cold() -> None:
    caches = Caches(2, lifetime_s=10)
    turn = Turn(0.0, 1_400, 10, (1, 2, 3), 0)
    later = Turn(10.0, 3_000, 10, (1, 2, 3, 4), 0)
    assert [caches.serve(0, turn), caches.hits(0, later), caches.hits(1, later)] == [0, 3 * 512, 0]
    assert caches.hits(0, Turn(10.1, 3_000, 10, (1, 2, 3, 4), 0)) == 0


def test_never_switching_never_switches() -> None:
    bills = {way: serve(TRACE, CONFIG["conversations"], way, 0) for way in ("session", "always", "never")}
    assert (bills["never"].switches, bills["never"].rebilled_usd) == (0, 0)
    assert bills["session"].held > 0
    assert bills["always"].held == 0


def test_the_breaker_spares_calls() -> None:
    assert outage(40, 0, ping_every=10).failed <= 5 < outage(40, 0, ping_every=None, breaker=False).failed


def test_phases_are_thirds() -> None:
    values = np.repeat([0.9, 0.0, 0.6], 400)
    phases = Phases(values, values, ())
    assert [phases.mean(values, phase) for phase in range(3)] == pytest.approx([0.9, 0.0, 0.6])
    assert phases.left_after() == 100
    assert phases.back_after() == 100


def test_the_same_seed_gives_the_same_run() -> None:
    first, second = (degraded(3, drift=Drift(), cost_weight=0.3, requests=600) for _ in range(2))
    assert first.quality.tobytes() == second.quality.tobytes()
