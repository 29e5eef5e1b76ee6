"""The laws of controllers."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from banditroute.controllers import (
    Choice,
    Controller,
    OutcomeObserver,
    OutcomePrediction,
    Predict,
    Reporter,
    controlled,
)
from banditroute.core.arrays import FloatArray, RowArray
from banditroute.core.log import DecisionRecord, FeedbackRecord
from banditroute.core.situation import Situation
from banditroute.testing.policies import SUM_ROUNDING, situation

STRANGERS = ("stranger 0", "stranger 1", "stranger 2")
OBJECTIVES = 2
DIMENSION = 3

_OUTLOOK = OutcomePrediction(("objective 0", "objective 1"), (0, 1), np.array([0.5, 0.5]), np.array([0.1, 0.2]))


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a controller: a choice, its record, the predictions, a late outcome."""

    given: Situation
    decision: DecisionRecord
    predict: Predict
    feedback: FeedbackRecord | None


def life(arms: Sequence[str], steps: int, *, known: int | None = None, seed: int = 0) -> list[Step]:
    """A life that does not depend on the controller; of ``arms`` the first ``known`` are there from the start.

    The others arrive one by one. A choice in eleven is a fallback, of which no predictions are recorded.
    """
    known = len(arms) if known is None else known
    found: list[Step] = []
    for number in range(steps):
        count = known + (len(arms) - known) * number // steps
        made = situation(1000 * seed + number, count, OBJECTIVES)
        given = replace(made, arms=tuple(arms[:count]), row=_row(number))
        given.request = replace(given.request, now_us=_time_us(number), session=_session(number))
        decision = _decision(given, number, fallback=number % 11 == 7)
        late = found[number // 2].decision if number % 3 == 1 else None
        feedback = None if late is None else _feedback(late, number)
        found.append(Step(given, decision, _Believed(seed, number, count), feedback))
    return found


def live(controller: Controller, steps: Sequence[Step], choice: Choice) -> Iterator[tuple[bytes, str, str]]:
    """Let the controller see it; bits of its probabilities, its effects and then its state, at each step."""
    for step in steps:
        bits = controller.control(step.given, choice).tobytes()
        seen = logged(controller, step)
        _see(controller, seen)
        yield bits, _json(seen.decision.effects), _json(controller.state())


def logged(controller: Controller, step: Step) -> Step:
    """The step with the controller's effects on its record, as a router writes them; asked right after control.

    After a fallback there are none.
    """
    effects = controller.effects(step.given)
    if step.decision.mode == "fallback":
        return step
    return replace(step, decision=replace(step.decision, effects={controller.name: effects}))


def softmax(given: Situation) -> FloatArray:
    """Every eligible arm has a chance, the better the larger."""
    utility = np.where(given.eligible, given.utility(), -np.inf)
    chances = np.exp(utility - utility.max())
    return np.asarray(chances / chances.sum())


def greedy(given: Situation) -> FloatArray:
    """The best eligible arm is certain."""
    best = np.where(given.eligible, given.utility(), -np.inf).argmax()
    chances: FloatArray = (np.arange(len(given.arms)) == best).astype(np.float64)
    return chances


def even(given: Situation) -> FloatArray:
    """All eligible arms have the same chance, whatever they cost."""
    return np.asarray(given.eligible / np.count_nonzero(given.eligible), dtype=np.float64)


class ControllerLaws:
    """What every :class:`~banditroute.controllers.Controller` keeps.

    Attributes:
        arms: Arms that the controller may know.
        steps: Length of a life; it should be enough for whatever the controller does seldom.
    """

    arms: Sequence[str] = tuple(f"arm {i}" for i in range(6))
    steps: int = 60

    def controller(self) -> Controller:
        """A fresh controller, the same each time; to be replaced."""
        raise NotImplementedError

    def lives(self) -> list[list[Step]]:
        """Sequences of steps: with fixed arms, with arms that arrive, and with unknown arms."""
        return [
            life(self.arms, self.steps),
            life(self.arms, self.steps, known=2, seed=1),
            life([*STRANGERS, *self.arms], self.steps, known=len(STRANGERS) + 1, seed=2),
        ]

    @pytest.mark.parametrize("choice", [softmax, greedy, even])
    def test_control_gives_probabilities(self, choice: Choice) -> None:
        """Of the eligible arms, for any choice that does."""
        for steps in self.lives():
            controller = self.controller()
            for step in steps:
                check_probabilities(controller.control(step.given, choice), step.given)
                _see(controller, logged(controller, step))

    def test_control_is_pure(self) -> None:
        """A second call returns the same, and changes neither the state nor the situation."""
        for steps in self.lives():
            controller = self.controller()
            for step in steps:
                given, state = repr(step.given), _json(controller.state())
                first = controller.control(step.given, softmax).tobytes()
                effects = _json(controller.effects(step.given))
                assert controller.control(step.given, softmax).tobytes() == first
                assert _json(controller.effects(step.given)) == effects
                assert _json(controller.state()) == state
                assert repr(step.given) == given
                _see(controller, logged(controller, step))

    def test_effects_and_state_are_plain(self) -> None:
        """They are JSON without NaN or infinities, and the same when read from it."""
        for steps in self.lives():
            controller = self.controller()
            for step in steps:
                controller.control(step.given, softmax)
                for facts in (controller.effects(step.given), controller.state()):
                    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
                _see(controller, logged(controller, step))

    def test_the_state_is_a_fold_of_the_records(self) -> None:
        """A controller that is restored after any number of steps continues bit for bit the same."""
        for steps in self.lives():
            controller = self.controller()
            states = [_json(controller.state())]
            recorded = []
            for bits, effects, state in live(controller, steps, softmax):
                recorded.append((bits, effects, state))
                states.append(state)
            for after, state in enumerate(states):
                restored = self.controller()
                restored.restore(json.loads(state))
                assert _json(restored.state()) == state
                assert list(live(restored, steps[after:], softmax)) == recorded[after:]

    def test_what_was_lived_before_a_restoration_is_forgotten(self) -> None:
        """A damaged snapshot is followed by a replay with the same objects."""
        fresh, old = self.controller(), self.controller()
        beginning = _json(fresh.state())
        first, second, *_ = self.lives()
        list(live(old, first, greedy))
        old.restore(json.loads(beginning))
        assert list(live(old, second, softmax)) == list(live(fresh, second, softmax))

    def test_the_state_does_not_need_control(self) -> None:
        """A replay sees records, and is never asked."""
        for steps in self.lives():
            asked, replayed = self.controller(), self.controller()
            log = []
            for step in steps:
                asked.control(step.given, softmax)
                log.append(logged(asked, step))
                _see(asked, log[-1])
            for step in log:
                _see(replayed, step)
            assert _json(replayed.state()) == _json(asked.state())

    def test_a_state_that_was_given_does_not_move(self) -> None:
        """It may be written later."""
        steps = self.lives()[0]
        controller = self.controller()
        kept: list[tuple[Any, str]] = []
        for step in steps:
            kept.append((controller.state(), _json(controller.state())))
            controller.control(step.given, softmax)
            _see(controller, logged(controller, step))
        assert [_json(state) for state, _ in kept] == [then for _, then in kept]

    def test_it_may_know_none_of_the_arms(self) -> None:
        """A router may have none of them yet."""
        controller = self.controller()
        for step in life(STRANGERS, self.steps, seed=3):
            check_probabilities(controller.control(step.given, softmax), step.given)
            _json(controller.effects(step.given))
            _see(controller, logged(controller, step))

    @pytest.mark.parametrize("choice", [softmax, greedy, even])
    def test_it_composes(self, choice: Choice) -> None:
        """Around another controller, and within it."""
        for steps in self.lives():
            controller, other = self.controller(), Mixing()
            for step in steps:
                for order in ([controller, other], [other, controller]):
                    check_probabilities(controlled(choice, order)(step.given), step.given)
                _see(controller, logged(controller, step))


class Mixing:
    """A controller to compose with: it prices arms by their place, and mixes with the answer without prices."""

    name = "mixing"

    def control(self, situation: Situation, choice: Choice) -> FloatArray:
        """Three parts priced, one part not."""
        prices = np.arange(len(situation.arms)) / 7.0
        return 0.75 * choice(situation.priced(prices)) + 0.25 * choice(situation)

    def effects(self, situation: Situation) -> dict[str, Any]:
        """The highest price."""
        return {"highest": (len(situation.arms) - 1) / 7.0}

    def decided(self, record: DecisionRecord, predict: Predict) -> None:
        """Do nothing."""

    def learned(self, record: FeedbackRecord) -> None:
        """Do nothing."""

    def state(self) -> dict[str, Any]:
        """Do nothing."""
        return {}

    def restore(self, state: object) -> None:
        """Do nothing."""


def check_probabilities(found: FloatArray, given: Situation) -> None:
    """A distribution over the eligible arms."""
    assert found.shape == given.eligible.shape
    assert np.isfinite(found).all()
    assert (found >= 0).all()
    assert abs(found.sum() - 1) <= SUM_ROUNDING
    assert not found[~given.eligible].any()


@dataclass(frozen=True, slots=True)
class _Believed:
    """A belief that is a function of its place in life."""

    seed: int
    number: int
    arms: int

    def __call__(self, rows: RowArray) -> tuple[FloatArray, FloatArray]:
        rng = np.random.default_rng([self.seed, self.number])
        slopes = rng.uniform(-1, 1, size=(self.arms, OBJECTIVES, rows.shape[-1]))
        mean = np.einsum("cd,aod->cao", rows / 2**15, slopes)
        return mean, np.broadcast_to(rng.random((self.arms, OBJECTIVES)), mean.shape).copy()


def _see(controller: Controller, step: Step) -> None:
    controller.decided(step.decision, step.predict)
    if step.feedback is not None:
        if isinstance(controller, OutcomeObserver):
            for demand in controller.observe(step.feedback, _OUTLOOK):
                assert demand.arm in step.given.arms
                assert demand.group == step.feedback.group
        controller.learned(step.feedback)
    if isinstance(controller, Reporter):
        _json(controller.report())


def _time_us(number: int) -> int:
    return 1_700_000_000_000_000 + 1_000_000 * number


def _session(number: int) -> str | None:
    return None if number % 5 == 0 else f"session {number % 4}"


def _row(number: int) -> RowArray:
    return np.random.default_rng([13, number]).integers(-(2**15), 2**15, size=DIMENSION).astype(np.int32)


def _decision(given: Situation, number: int, *, fallback: bool) -> DecisionRecord:
    rng = np.random.default_rng([11, number])
    probabilities = greedy(given) if fallback else softmax(given)
    nothing = np.zeros((len(given.arms), 0))
    return DecisionRecord(
        decision_key=number.to_bytes(16, "big"),
        number=number + 1,
        n_feedback=number // 3,
        arm=given.arms[int(rng.choice(len(given.arms), p=probabilities))],
        row=_row(number),
        arms=given.arms,
        probabilities=probabilities,
        mean=nothing if fallback else given.mean,
        width=nothing if fallback else given.width,
        session=_session(number),
        preferences={f"objective_{i}": abs(float(weight)) for i, weight in enumerate(given.weights)},
        weights=given.weights,
        excluded={
            arm: "status drained" for arm, is_in in zip(given.arms, given.eligible, strict=True) if not is_in
        },
        epoch=0,
        mode="fallback" if fallback else "live",
        cause="fallback" if fallback else "policy",
        draw_key=None,
        effects={},
        created_us=_time_us(number),
    )


def _feedback(decision: DecisionRecord, number: int) -> FeedbackRecord:
    # Low for half a life, then high, in outcomes that a controller of availability or of drift can make sense of.
    values = ((7919 * number) % 2**15 + 2**15 * (number // 30 % 2), 7)
    return FeedbackRecord(
        decision_key=decision.decision_key,
        number=number // 3 + 1,
        group="response",
        revision=0,
        arm=decision.arm,
        row=decision.row,
        epoch=decision.epoch,
        values=values,
        previous=None,
        outcomes={f"objective_{i}": value / 2**16 for i, value in enumerate(values)},
        source=None,
        received_us=decision.created_us + 5_000_000,
    )


def _json(facts: object) -> str:
    return json.dumps(facts, sort_keys=True, allow_nan=False)
