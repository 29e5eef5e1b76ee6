"""Every shipped controller keeps the laws, and each law catches a controller that breaks it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from banditroute.controllers import (
    Adapter,
    CallbackResidency,
    Choice,
    Controller,
    DoublingEpochs,
    EpochCache,
    FixedEpochs,
    Level,
    LFUCache,
    LRUCache,
    Predict,
    StaticCache,
)
from banditroute.core.arrays import FloatArray
from banditroute.core.log import DecisionRecord
from banditroute.core.situation import Situation
from banditroute.testing import ControllerLaws
from banditroute.testing.controllers import softmax

ADAPTERS = {f"arm {i}": Adapter(load_s=0.5 + 0.25 * i, host_load_s=0.125) for i in range(6)}
SIZED = {f"arm {i}": Adapter(load_s=0.5 + 0.25 * i, size=1.0 + 0.75 * (i % 3)) for i in range(6)}


class TestEpochCacheWithFixedEpochs(ControllerLaws):
    def controller(self) -> Controller:
        return EpochCache(ADAPTERS, capacity=2, utility_per_second=0.7, epochs=FixedEpochs(9), optimism=0.3)


class TestEpochCacheWithDoublingEpochs(ControllerLaws):
    def controller(self) -> Controller:
        epochs = DoublingEpochs(first=5, forced=0.3)
        return EpochCache(ADAPTERS, capacity=3, utility_per_second=0.2, epochs=epochs, window=4)


class TestEpochCacheOfTwoTiers(ControllerLaws):
    def controller(self) -> Controller:
        return EpochCache(ADAPTERS, capacity=2, utility_per_second=0.9, epochs=FixedEpochs(7), host_capacity=2)


class TestEpochCacheOfSizes(ControllerLaws):
    def controller(self) -> Controller:
        return EpochCache(SIZED, capacity=4.2, utility_per_second=0.4, epochs=FixedEpochs(8), initial=["arm 5"])


class TestEpochCacheWithEvidence(ControllerLaws):
    def controller(self) -> Controller:
        evidence = CallbackResidency(lambda: {"arm 1": Level.HOST, "arm 4": Level.GPU, "unheard of": Level.DISK})
        return EpochCache(ADAPTERS, capacity=2, utility_per_second=0.7, epochs=FixedEpochs(9), residency=evidence)


class TestLRUCache(ControllerLaws):
    def controller(self) -> Controller:
        return LRUCache(SIZED, capacity=3.6, utility_per_second=0.7)


class TestLFUCache(ControllerLaws):
    def controller(self) -> Controller:
        return LFUCache(SIZED, capacity=3.6, utility_per_second=0.7)


class TestStaticCache(ControllerLaws):
    def controller(self) -> Controller:
        return StaticCache(ADAPTERS, capacity=3, utility_per_second=0.7, initial=["arm 3", "arm 0"])


class Turning:
    """A sound controller: it prices the arm that served last."""

    name = "turning"

    def __init__(self) -> None:
        self.last = ""
        self.count = 0

    def control(self, situation: Situation, choice: Choice) -> FloatArray:
        prices = np.array([0.1 * self.count if arm == self.last else 0.0 for arm in situation.arms])
        return choice(situation.priced(prices))

    def effects(self, situation: Situation) -> Mapping[str, Any]:
        return {"last": self.last, "count": self.count}

    def decided(self, record: DecisionRecord, predict: Predict) -> None:
        self.count = self.count % 7 + 1
        self.last = record.arm

    def learned(self, record: object) -> None:
        pass

    def state(self) -> Mapping[str, Any]:
        return {"last": self.last, "count": self.count}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.last, self.count = state["last"], state["count"]


class CountsInControl(Turning):
    """Moves when it is asked."""

    def control(self, situation: Situation, choice: Choice) -> FloatArray:
        self.count += 1
        return super().control(situation, choice)


class Forgets(Turning):
    """Keeps half of its state."""

    def state(self) -> Mapping[str, Any]:
        return {"last": self.last}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.last = state["last"]


class KeepsWhatItLived(Turning):
    """Keeps its state when it is restored to its initial state."""

    def restore(self, state: Mapping[str, Any]) -> None:
        self.last, self.count = state["last"] or self.last, state["count"] or self.count


class GivesEveryoneAChance(Turning):
    """Also to those who may not serve."""

    def control(self, situation: Situation, choice: Choice) -> FloatArray:
        return 0.9 * choice(situation) + 0.1 / len(situation.arms)


class LosesAPart(Turning):
    """Does not sum to one."""

    def control(self, situation: Situation, choice: Choice) -> FloatArray:
        return choice(situation) * (1 - 1e-9)


class SaysInfinity(Turning):
    """Has effects that are not JSON."""

    def effects(self, situation: Situation) -> Mapping[str, Any]:
        return {"price": float("inf")}


class LendsItsState(Turning):
    """Gives the very mapping that it goes on writing to."""

    def __init__(self) -> None:
        super().__init__()
        self._lent: dict[str, Any] = {}

    def state(self) -> Mapping[str, Any]:
        self._lent.update(super().state())
        return self._lent


class KnowsItsArms(Turning):
    """Fails when an arm appears that it does not know."""

    def control(self, situation: Situation, choice: Choice) -> FloatArray:
        return choice(situation.priced(np.array([{"arm 0": 1.0}[arm] for arm in situation.arms])))


class Laws(ControllerLaws):
    """The laws for a class."""

    __test__ = False

    def __init__(self, kind: type[Turning]) -> None:
        self._kind = kind

    def controller(self) -> Controller:
        return self._kind()


class TestTurning(ControllerLaws):
    def controller(self) -> Controller:
        return Turning()


@pytest.mark.parametrize(
    ("kind", "law"),
    [
        (CountsInControl, "test_control_is_pure"),
        (CountsInControl, "test_the_state_does_not_need_control"),
        (Forgets, "test_the_state_is_a_fold_of_the_records"),
        (KeepsWhatItLived, "test_what_was_lived_before_a_restoration_is_forgotten"),
        (LendsItsState, "test_a_state_that_was_given_does_not_move"),
        (SaysInfinity, "test_effects_and_state_are_plain"),
    ],
)
def test_control_a_broken_controller_is_caught(kind: type[Turning], law: str) -> None:
    with pytest.raises((AssertionError, ValueError)):
        getattr(Laws(kind), law)()


@pytest.mark.parametrize("law", ["test_control_gives_probabilities", "test_it_composes"])
@pytest.mark.parametrize("kind", [GivesEveryoneAChance, LosesAPart, KnowsItsArms])
def test_control_what_is_no_distribution_is_caught(kind: type[Turning], law: str) -> None:
    with pytest.raises((AssertionError, KeyError)):
        getattr(Laws(kind), law)(softmax)
