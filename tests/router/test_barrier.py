"""Nothing that breaks inside reaches the caller of ``route``; it falls back, counts and says so."""

import json
import logging
from typing import NoReturn

import numpy as np
import pytest

from banditroute import Router, Uniform
from banditroute.controllers import Adapter, StaticCache
from banditroute.core.arrays import FloatArray
from banditroute.core.log import DecisionRecord, FeedbackRecord
from banditroute.core.runtime.faults import FaultBarrier
from banditroute.core.situation import Situation
from banditroute.learning import OutcomeModel
from banditroute.store import MemoryStore
from banditroute.testing import engine_of
from banditroute.testing.world import a_router, a_vector, bodies
from tests.router.world import logged


class Faulty:
    """Returns a given value."""

    ridge = 2.0

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def probabilities(self, situation: Situation) -> FloatArray:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer  # type: ignore[return-value]


FAULTS = {
    "raises": ZeroDivisionError("by zero"),
    "NaN": np.array([np.nan, 0.5, 0.5]),
    "all NaN": np.full(3, np.nan),
    "negative": np.array([1.5, -0.5, 0.0]),
    "short": np.array([0.5, 0.5]),
    "sums to less": np.array([0.3, 0.3, 0.3]),
    "zero": np.zeros(3),
    "a list": [1.0, 0.0, 0.0],
    "nothing": None,
}


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FaultBarrier, "faults_escape", False)


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.usefixtures("closed")
def test_a_policys_fault_falls_back(name: str, caplog: pytest.LogCaptureFixture) -> None:
    store = MemoryStore()
    router = a_router(store, policy=Faulty(FAULTS[name]), default_arm="large")
    with caplog.at_level(logging.ERROR, "banditroute"):
        decision = router.route(a_vector(0))
    assert (decision.arm, decision.mode, decision.cause) == ("large", "fallback", "fallback")
    assert decision.probabilities == {"small": 0.0, "large": 1.0, "plain": 0.0}
    assert decision.propensity == 1.0
    assert decision.expected["small"] == {}
    assert decision.ranking[0] == "large"
    assert router.health().faults == 1
    assert router.health().last_fault
    assert "held back" in caplog.text
    assert router.feedback(decision.id, quality=0.5).status == "recorded"
    assert [r.cause for r in logged(store) if isinstance(r, DecisionRecord)] == ["fallback"]
    json.dumps(router.why(decision.id).to_dict(), allow_nan=False)
    assert "fallback" in str(router.why(decision.id))


@pytest.mark.parametrize("name", FAULTS)
def test_control_with_the_barrier_open_it_raises(name: str) -> None:
    router = a_router(policy=Faulty(FAULTS[name]))
    with pytest.raises((ZeroDivisionError, ValueError, AttributeError)):
        router.route(a_vector(0))


@pytest.mark.usefixtures("closed")
def test_a_fault_of_the_model_falls_back(monkeypatch: pytest.MonkeyPatch) -> None:
    router = a_router()
    router.route(a_vector(0))

    def broken(self: OutcomeModel, x: FloatArray) -> NoReturn:
        raise FloatingPointError("no number")

    monkeypatch.setattr(OutcomeModel, "predict", broken)
    monkeypatch.setattr(OutcomeModel, "predict_many", broken)
    assert {decision.cause for decision in router.route_many([[0.0] * 3] * 3)} == {"fallback"}
    assert router.route(a_vector(1)).cause == "fallback"
    assert (router.health().faults, router.health().last_fault) == (2, "FloatingPointError: no number")
    monkeypatch.undo()
    assert router.route(a_vector(2)).cause == "policy"
    assert router.health().n_decisions == 6


@pytest.mark.usefixtures("closed")
def test_an_excluded_default_gives_way() -> None:
    router = a_router(policy=Faulty(ValueError("no")), default_arm="small")
    assert router.route(a_vector(0), allowed=["plain", "large"]).arm == "large"
    router.drain_arm("small")
    assert router.route(a_vector(0)).arm == "large"


@pytest.mark.usefixtures("closed")
def test_what_is_not_eligible_gets_nothing() -> None:
    router = a_router(policy=Faulty(np.array([0.5, 0.25, 0.25])))
    decision = router.route(a_vector(0), allowed=["small", "large"])
    assert (decision.cause, decision.arm) == ("fallback", "small")


@pytest.mark.usefixtures("closed")
def test_a_broken_source_of_ids_still_gives_an_id() -> None:
    def broken() -> bytes:
        raise OSError("no entropy")

    router = a_router(ids=broken)
    first, second = router.route(a_vector(0)), router.route(a_vector(0))
    assert first.id != second.id
    assert router.feedback(first.id, quality=0.5).status == "recorded"


@pytest.mark.usefixtures("closed")
def test_fallbacks_are_replayed(tmp_path: object) -> None:
    store = MemoryStore()
    router = a_router(store, policy=Faulty(ValueError("no")))
    for number in range(5):
        router.feedback(router.route(a_vector(number)).id, quality=0.5)
    router.close()
    again: Router = a_router(store, policy=Uniform(), ids=bodies(50))
    assert again.digest() == router.digest()
    assert engine_of(again).state.plays.tolist() == [5, 0, 0]


class Stumbling(StaticCache):
    """A controller that breaks on every record."""

    def decided(self, record: DecisionRecord, predict: object) -> None:
        raise ZeroDivisionError("decided")

    def learned(self, record: FeedbackRecord) -> None:
        raise ZeroDivisionError("learned")


@pytest.mark.usefixtures("closed")
def test_a_controller_that_breaks_on_records_stops_neither_choice_nor_learning() -> None:
    cache = Stumbling({"small": Adapter(load_s=1.0)}, capacity=1, utility_per_second=0.1)
    store = MemoryStore()
    router = a_router(store, controllers=[cache])
    decision = router.route(a_vector(0))
    assert decision.mode == "live"
    assert router.feedback(decision.id, quality=0.5).status == "recorded"
    assert router.health().faults == 2
    assert router.health().n_feedback == 1
    assert len(list(logged(store))) == 2
