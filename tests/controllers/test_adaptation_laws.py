"""The controllers that adapt keep the laws."""

from collections.abc import Mapping
from typing import Any

import pytest

from banditroute.controllers import (
    ADWIN,
    AdapterLoad,
    CircuitBreaker,
    Controller,
    Drift,
    Onboarding,
    PageHinkley,
    PromptCache,
    Session,
)
from banditroute.testing import ControllerLaws

SAVING = {f"arm {i}": 0.4 * i for i in range(6)}


class TestDrift(ControllerLaws):
    steps = 120

    def controller(self) -> Controller:
        detectors = (ADWIN(delta=0.3, clock=2), PageHinkley(delta=0.1, threshold=4.0))
        return Drift(detectors=detectors, grace=1, window=128, watch_share=0.1, watch_requests=9)


class TestCircuitBreaker(ControllerLaws):
    def controller(self) -> Controller:
        return CircuitBreaker(objective="objective 0", failures=2, cool_down_s=3.0, longest_s=9.0)


class TestSessionWithPromptCaches(ControllerLaws):
    def controller(self) -> Controller:
        return Session(PromptCache(SAVING, utility_per_usd=3e4), margin=0.05, lifetime_s=6.0, remembered=3)


class TestSessionWithAdapters(ControllerLaws):
    def controller(self) -> Controller:
        return Session(AdapterLoad({"arm 1": 0.5, "arm 4": 2.0}, utility_per_second=0.1), margin=0.01)


class TestOnboarding(ControllerLaws):
    def controller(self) -> Controller:
        return Onboarding(pulls=3, over=11, confidence=0.6)


class ForgetsStreams(Drift):
    """Keeps its alarms, and nothing of what it saw."""

    def restore(self, state: Mapping[str, Any]) -> None:
        super().restore({**state, "streams": []})


class ForgetsWhatItAwaits(Onboarding):
    """Keeps its newcomers, and not what they are to be compared with."""

    def restore(self, state: Mapping[str, Any]) -> None:
        super().restore({**state, "awaited": {}})


class Laws(ControllerLaws):
    """The laws for one class."""

    __test__ = False

    def __init__(self, kind: type[Drift | Onboarding]) -> None:
        self._kind = kind

    def controller(self) -> Controller:
        return self._kind()


@pytest.mark.parametrize("kind", [ForgetsStreams, ForgetsWhatItAwaits])
def test_control_an_incomplete_state_of_an_observer_is_detected(kind: type[Drift | Onboarding]) -> None:
    with pytest.raises(AssertionError):
        Laws(kind).test_the_state_is_a_fold_of_the_records()
