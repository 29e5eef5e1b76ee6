"""The laws of controllers, for targets, floors and modes, alone and in company."""

import json
from collections.abc import Sequence

import pytest

from banditroute.controllers import (
    Apprentice,
    Average,
    Choice,
    Controller,
    Holdout,
    Latency,
    PerCohort,
    QualityFloor,
    Shadow,
    Shares,
    Within,
    controlled,
)
from banditroute.policies import Uniform
from banditroute.testing import ControllerLaws
from banditroute.testing.controllers import check_probabilities, even, greedy, life, logged, softmax


class Laws(ControllerLaws):
    """Shorter histories, since restoring after every step takes time quadratic in their length."""

    __test__ = False
    steps = 33


class TestShares(Laws):
    __test__ = True

    def controller(self) -> Controller:
        return Shares(min={"arm 1": 0.3, "arm 4": 0.2}, max={"arm 0": 0.05}, slack=2.0)


class TestLatency(Laws):
    __test__ = True

    def controller(self) -> Controller:
        return Latency(p=0.7, seconds=2e-4, objective="objective_0")


class TestWithin(Laws):
    __test__ = True

    def controller(self) -> Controller:
        return Within("objective_1", share=0.9, at_least=0.5)


class TestAverage(Laws):
    __test__ = True

    def controller(self) -> Controller:
        return Average("objective_0", at_least=0.8)


class TestPerCohort(Laws):
    __test__ = True

    def controller(self) -> Controller:
        return PerCohort(lambda: Latency(p=0.7, seconds=2e-4, objective="objective_0"))


class TestQualityFloor(Laws):
    __test__ = True

    def controller(self) -> Controller:
        return QualityFloor("arm 2", at_least=0.3, objective="objective_0")


class TestKnownQualityFloor(Laws):
    __test__ = True

    def controller(self) -> Controller:
        return QualityFloor("arm 2", at_least=0.3, baseline_mean=1e-4, objective="objective_0")


class TestShadow(Laws):
    __test__ = True

    def controller(self) -> Controller:
        return Shadow("arm 1")


class TestShadowOfAPolicy(Laws):
    __test__ = True

    def controller(self) -> Controller:
        return Shadow(Uniform())


class TestApprentice(Laws):
    __test__ = True

    def controller(self) -> Controller:
        return Apprentice("arm 1", measures={"objective_0": (0.0, 0.001)})


class TestSoonPromoted(Laws):
    __test__ = True

    def controller(self) -> Controller:
        return Apprentice("arm 1", agreement=0.01, margin=-9.0, measures={"objective_0": (0.0, 1.0)})

    def test_it_is_promoted_in_the_histories_of_the_laws(self) -> None:
        controller = self.controller()
        for step in life(self.arms, 150):
            controller.control(step.given, even)
            step_log = logged(controller, step)
            controller.decided(step_log.decision, step_log.predict)
            if step_log.feedback is not None:
                controller.learned(step_log.feedback)
        assert controller.state()["promoted"]


class TestHoldout(Laws):
    __test__ = True

    def controller(self) -> Controller:
        return Holdout(0.2, incumbent="arm 1", measures={"objective_0": (0.0, 0.001), "objective_1": (0.0, 1.0)})


class TestHoldoutOfSessions(Laws):
    __test__ = True

    def controller(self) -> Controller:
        return Holdout(0.2, incumbent="arm 1", by="session", measures={"objective_0": (0.0, 0.001)})


def everything() -> list[Controller]:
    """All of them, in the order in which they belong."""
    return [
        Holdout(0.2, incumbent="arm 3"),
        Shares(min={"arm 1": 0.3}, max={"arm 0": 0.05}),
        PerCohort(lambda: Average("objective_1", at_most=0.5)),
        Latency(p=0.9, seconds=2e-4, objective="objective_0"),
        QualityFloor("arm 2", at_least=0.3, objective="objective_0"),
    ]


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("choice", [softmax, greedy, even])
def test_they_compose(choice: Choice, backwards: bool) -> None:
    for steps in TestShares().lives():
        controllers = everything()[:: -1 if backwards else 1]
        for step in steps:
            check_probabilities(controlled(choice, controllers)(step.given), step.given)
            see_all(controllers, step)


def see_all(controllers: Sequence[Controller], step: object) -> None:
    for controller in controllers:
        step_log = logged(controller, step)  # type: ignore[arg-type]
        controller.decided(step_log.decision, step_log.predict)
        if step_log.feedback is not None:
            controller.learned(step_log.feedback)
        json.dumps(controller.state(), allow_nan=False)
