"""A small life for one controller: choices, records and feedback as a router would write them."""

from dataclasses import replace
from typing import Any

import numpy as np

from banditroute import Objective
from banditroute.controllers import Choice, Controller
from banditroute.core.arrays import FloatArray
from banditroute.core.log import DecisionRecord, FeedbackRecord
from banditroute.core.objectives import Objectives
from banditroute.core.prediction import Prediction
from banditroute.core.request import Request
from banditroute.core.situation import Situation

OBJECTIVES = Objectives(
    [Objective("quality"), Objective("cost_usd", goal="min"), Objective("latency_s", goal="min", bounds=(0, 30))]
)
WEIGHTS = np.array([1.0, -0.5, 0.0])


def a_situation(arms: str, quality: list[float] | None = None, **terms: Any) -> Situation:
    """Return a situation of one-letter arms whose predictions differ in quality only."""
    count = len(arms)
    mean = np.zeros((count, 3))
    mean[:, 0] = 0.5 if quality is None else quality
    return Situation(
        arms=tuple(arms),
        eligible=np.ones(count, dtype=bool),
        prediction=Prediction.exact(mean, np.full((count, 3), 0.05)),
        weights=WEIGHTS,
        plays=np.zeros(count, dtype=np.int64),
        objectives=OBJECTIVES,
        request=Request({}, WEIGHTS, {}, None, None, None, now_us=0, **terms),
    )


def greedy(given: Situation) -> FloatArray:
    """The first of the best eligible arms, for certain."""
    best = int(np.where(given.eligible, given.utility(), -np.inf).argmax())
    return certain(given, given.arms[best])


def stubborn(given: Situation) -> FloatArray:
    """The first eligible arm, whatever it costs."""
    return certain(given, given.arms[int(given.eligible.argmax())])


def certain(given: Situation, arm: str) -> FloatArray:
    """One arm."""
    return np.array([float(each == arm) for each in given.arms])


def predict(rows: Any) -> tuple[FloatArray, FloatArray]:
    """Return predictions without information."""
    raise AssertionError(rows)


class Life:
    """Drives one controller like a router does."""

    def __init__(self, controller: Controller, choice: Choice = greedy, *, seed: int = 0) -> None:
        self.controller, self.choice = controller, choice
        self.rng = np.random.default_rng(seed)
        self.decisions: list[DecisionRecord] = []
        self.learned = 0

    def step(self, given: Situation, arm: str | None = None, predict: Any = predict) -> DecisionRecord:
        """Choose an arm and record the decision; ``arm`` replaces the draw."""
        probabilities = self.controller.control(given, self.choice)
        effects = self.controller.effects(given)
        drawn = given.arms[int(self.rng.choice(len(given.arms), p=probabilities))] if arm is None else arm
        record = DecisionRecord(
            decision_key=len(self.decisions).to_bytes(16, "big"),
            number=len(self.decisions) + 1,
            n_feedback=self.learned,
            arm=drawn,
            row=np.array([2**15], dtype=np.int32),
            arms=given.arms,
            probabilities=probabilities,
            mean=given.mean,
            width=given.width,
            preferences={},
            weights=given.weights,
            excluded={a: "no" for a, may in zip(given.arms, given.eligible.tolist(), strict=True) if not may},
            epoch=0,
            mode="live",
            cause="policy",
            draw_key=None,
            effects={self.controller.name: effects},
            created_us=0,
            session=given.request.session,
            cohort=given.request.cohort,
        )
        self.decisions.append(record)
        self.controller.decided(record, predict)
        return record

    def report(self, record: DecisionRecord, *, previous: bool = False, **outcomes: float) -> FeedbackRecord:
        """Report feedback; without outcomes the values are retracted."""
        self.learned += 1
        feedback = FeedbackRecord(
            decision_key=record.decision_key,
            number=self.learned,
            group="reported",
            revision=int(previous),
            arm=record.arm,
            row=record.row,
            epoch=0,
            values=(1,) if outcomes else None,
            previous=(0,) if previous or not outcomes else None,
            outcomes=outcomes,
            source=None,
            received_us=0,
        )
        self.controller.learned(feedback)
        return feedback


def without(given: Situation, arm: str) -> Situation:
    """The same, but this arm may not serve."""
    return replace(given, eligible=np.array([each != arm for each in given.arms]) & given.eligible)


def choice_of_the_best(given: Any) -> Any:
    """The best arm, and all others a little."""
    best = int(np.where(given.eligible, given.utility(), -np.inf).argmax())
    return 0.98 * certain(given, given.arms[best]) + 0.02 * given.eligible / given.eligible.sum()
