"""The laws of models over every implementation; and models that break one law each, which the laws must notice."""

from collections.abc import Mapping
from typing import Any

import pytest

from banditroute import Arm, Router
from banditroute.core.arrays import FloatArray, RowArray
from banditroute.core.objectives import Objectives
from banditroute.core.prediction import Prediction
from banditroute.core.situation import Situation
from banditroute.learning import Example, Model, OutcomeModel
from banditroute.policies import Uniform
from banditroute.testing import ModelLaws


class TestOutcomeModel(ModelLaws):
    def model(self, objectives: Objectives, features: int, *, intercept: bool) -> Model:
        return OutcomeModel(objectives, features, intercept=intercept, ridge=3.0)


class Impure(OutcomeModel):
    def predict(self, row: RowArray) -> Prediction:
        self.advance()
        found = super().predict(row)
        return Prediction.exact(found.mean + 1e-9 * self.n_feedback, found.width)


class Forgetful(OutcomeModel):
    def restore(self, facts: Mapping[str, Any], blob: bytes, *, n_feedback: int) -> None:
        super().restore(type(self.weights)().state(), blob, n_feedback=n_feedback)


class Unamending(OutcomeModel):
    def learn(self, example: Example) -> None:
        if example.previous is None:
            super().learn(example)


class Doubling(OutcomeModel):
    """An amendment is learned beside what it replaces."""

    def learn(self, example: Example) -> None:
        if example.values is not None:
            super().learn(Example(example.key, example.row, example.values))


class Ordered(OutcomeModel):
    def learn(self, example: Example) -> None:
        if example.values is not None and self.n_feedback % 2:
            example = Example(example.key, example.row, tuple(value // 2 for value in example.values))
        super().learn(example)


class Hasty(OutcomeModel):
    """A choice counts as an outcome."""

    def expect(self, decision_key: bytes, arm: str, row: RowArray) -> None:
        self.discount(arm, "quality", last=0, halvings=1)


class Eager(OutcomeModel):
    """An arm that is not known is added."""

    def learn(self, example: Example) -> None:
        if example.key.arm not in self._arms:
            example = Example(example.key._replace(arm="a"), example.row, example.values)  # of NamedTuple
        super().learn(example)


@pytest.mark.parametrize(
    ("broken", "law"),
    [
        (Impure, "test_reading_changes_nothing"),
        (Forgetful, "test_weights_are_restored_too"),
        (Unamending, "test_an_additive_model_amends_exactly"),
        (Unamending, "test_an_additive_model_takes_out_exactly"),
        (Doubling, "test_an_additive_model_amends_exactly"),
        (Doubling, "test_an_additive_model_takes_out_exactly"),
        (Ordered, "test_an_additive_model_learns_in_any_order"),
        (Hasty, "test_a_pending_outcome_moves_no_mean_and_widens_nothing"),
        (Hasty, "test_a_decision_that_is_no_longer_pending_leaves_no_trace"),
        (Eager, "test_an_unknown_arm_is_refused_and_nothing_is_learned"),
    ],
)
def test_control_a_broken_model_is_caught(broken: type[OutcomeModel], law: str) -> None:
    class Laws(ModelLaws):
        def model(self, objectives: Objectives, features: int, *, intercept: bool) -> Model:
            return broken(objectives, features, intercept=intercept, ridge=3.0)

    with pytest.raises((AssertionError, pytest.fail.Exception)):
        getattr(Laws(), law)()


class ShortEpochs:
    """A policy that brings a model of its own."""

    def probabilities(self, situation: Situation) -> FloatArray:
        return Uniform().probabilities(situation)

    def model(self, objectives: Objectives, features: int, *, intercept: bool) -> Model:
        return OutcomeModel(objectives, features, intercept=intercept, ridge=3.0, epoch_requests=5)


def test_the_length_of_an_epoch_can_be_set() -> None:
    router = Router("short", arms=[Arm("a"), Arm("b")], policy=ShortEpochs())
    epochs = [router.route([0.5]).record.epoch for _ in range(12)]
    assert epochs == [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2]
