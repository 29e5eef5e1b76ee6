from typing import Any

import numpy as np
import pytest

from banditroute.errors import InvalidArgumentError
from banditroute.evaluation import Delay, Exponential

CLOCK = np.arange(0.0, 1000.0, 0.5)


def arrivals(delay: Delay, seed: int = 1) -> list[int]:
    found: list[int] = delay.arrivals(CLOCK, np.random.default_rng(seed)).tolist()
    return found


def test_by_default_before_the_next_request() -> None:
    assert arrivals(Delay()) == list(range(1, 2001))


def test_requests_and_seconds_agree_by_the_interval() -> None:
    assert arrivals(Delay(requests=9))[:1900] == [i + 10 for i in range(1900)]
    assert arrivals(Delay(seconds=5.0))[:1900] == [i + 10 for i in range(1900)]


def test_seconds_shorter_than_the_interval_arrive_before_the_next() -> None:
    assert arrivals(Delay(seconds=0.0))[:-1] == list(range(1, 2000))


def test_distribution_has_its_mean_and_follows_the_generator() -> None:
    delay = Delay(seconds=Exponential(10.0))
    waits = np.array(arrivals(delay)) - np.arange(2000)
    assert waits[:1500].mean() * 0.5 == pytest.approx(10.0, rel=0.15)
    assert arrivals(delay) == arrivals(delay) != arrivals(delay, seed=2)


def test_missing_share_never_arrives() -> None:
    never = np.array(arrivals(Delay(missing=0.3))) > 2000
    assert never.mean() == pytest.approx(0.3, abs=0.04)
    assert min(arrivals(Delay(missing=1.0))) == 2001


@pytest.mark.parametrize(
    "settings",
    [
        {"requests": 1, "seconds": 1},
        {"requests": -1},
        {"seconds": float("nan")},
        {"seconds": float("inf")},
        {"missing": 1.1},
        {"missing": float("nan")},
    ],
)
def test_refuses(settings: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError):
        Delay(**settings)


@pytest.mark.parametrize("mean", [0.0, -1.0, float("inf"), float("nan")])
def test_exponential_refuses(mean: float) -> None:
    with pytest.raises(InvalidArgumentError):
        Exponential(mean)


def test_refuses_a_distribution_that_gives_too_few_or_less_than_0() -> None:
    for wrong in (lambda _, count: np.zeros(count - 1), lambda _, count: np.full(count, -1.0)):
        with pytest.raises(InvalidArgumentError):
            arrivals(Delay(requests=wrong))
