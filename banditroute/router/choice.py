"""Makes one choice: prediction, policy, one draw; the default arm if any of them fails."""

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from banditroute.controllers import controlled
from banditroute.core.arrays import FloatArray, RowArray
from banditroute.core.ids import KEY_BYTES, IdSource, random_key, uniform
from banditroute.core.log import DecisionRecord
from banditroute.core.prediction import Prediction
from banditroute.core.request import Request
from banditroute.core.shown import shown
from banditroute.core.situation import Situation
from banditroute.core.validation import require_callable
from banditroute.errors import InvalidArgumentError
from banditroute.router.engine import Engine
from banditroute.router.state.cost_bounds import cost_ceilings
from banditroute.router.state.state import State

_ROUNDING = 1e-9


# Not frozen: creating a frozen instance takes three times as long.
@dataclass(slots=True, eq=False)
class Choice:
    """The choice for one request, before it is counted and recorded.

    Attributes:
        arm: Index of the chosen arm.
        decision_key: 16 bytes that identify the decision.
        row: The context on the grid, with its intercept; shape (d,).
        request: The checked request.
        probabilities: Probability of each arm; shape (arms,).
        prediction: Predictions of the arms; None after a fault.
        excluded: Arm → the rule that made it ineligible.
        mode, cause: See :class:`~banditroute.Decision`.
        effects: Name of a controller → its effects on this choice.
    """

    arm: int
    decision_key: bytes
    row: RowArray
    request: Request
    probabilities: FloatArray
    prediction: Prediction | None
    excluded: Mapping[str, str]
    mode: str
    cause: str
    effects: Mapping[str, Any]

    def record(self, state: State) -> DecisionRecord:
        """Return this choice as the log's next decision; call it before anything else is learned."""
        names, request, prediction = state.arms.names, self.request, self.prediction
        return DecisionRecord(
            decision_key=self.decision_key,
            number=state.position.n_decisions + 1,
            n_feedback=state.position.n_feedback,
            arm=names[self.arm],
            row=self.row,
            arms=names,
            probabilities=self.probabilities,
            mean=np.zeros((len(names), 0)) if prediction is None else prediction.mean,
            width=np.zeros((len(names), 0)) if prediction is None else prediction.width_bound,
            preferences=request.preferences,
            weights=request.weights,
            excluded=self.excluded,
            epoch=state.next_epoch(),
            mode=self.mode,
            cause=self.cause,
            draw_key=request.draw_key,
            effects=self.effects,
            created_us=request.now_us,
            session=request.session,
            cohort=request.cohort,
        )


class Chooser:
    """Makes the choices of one engine.

    Args:
        engine: The engine whose arms and policy are used.
        default_arm: The arm to choose after an internal fault; by default the first arm.
        seed: Seed of all draws.
        ids: Returns a new decision key.

    Raises:
        UnknownArmError: if the router has no arm ``default_arm``.
    """

    def __init__(
        self, engine: Engine, *, default_arm: str | None = None, seed: int = 0, ids: IdSource = random_key
    ) -> None:
        self._policy = engine.policy
        self._state = engine.state
        self._faults = engine.faults
        self._probabilities = controlled(engine.policy.probabilities, engine.state.controllers)
        self._default_arm = 0 if default_arm is None else engine.state.arms.position(default_arm)
        self._seed = seed
        require_callable("ids", ids)
        self._ids = ids

    def choose(self, row: RowArray, request: Request) -> Choice:
        """Choose an arm; after an internal fault, the default arm."""
        try:
            return self._choose(row, request, self._state.predict(row, request.now_us))
        except Exception as fault:
            if not self._faults.holds(fault):
                raise
        return self._fallback(row, request)

    def choose_many(self, rows: RowArray, request: Request) -> list[Choice]:
        """Choose an arm for each row from the current state; the predictions are one matrix product."""
        choices: list[Choice] = []
        with self._faults:
            means, widths = self._state.predict_many(rows, request.now_us)
            for row, mean, width in zip(rows, means, widths, strict=True):
                with self._faults:
                    choices.append(self._choose(row, request, Prediction.exact(mean, width)))
                    continue
                choices.append(self._fallback(row, request))
        return choices + [self._fallback(row, request) for row in rows[len(choices) :]]

    def preview(self, row: RowArray, request: Request) -> DecisionRecord:
        """Return the record of the decision that :meth:`choose` would make; changes nothing."""
        other = copy(self)
        other._state, other._ids = self._state.with_all_arms(), random_key
        return other.choose(row, request).record(other._state)

    def _choose(self, row: RowArray, request: Request, prediction: Prediction) -> Choice:
        state, excluded = self._state, request.excluded
        if request.max_cost_usd is not None:
            excluded = {**excluded, **self._over_cost_limit(request.max_cost_usd, request, prediction)}
        situation = Situation(
            arms=state.arms.names,
            eligible=state.arms.eligible(excluded),
            prediction=prediction,
            weights=request.weights,
            plays=state.plays,
            objectives=state.objectives,
            request=request,
            price_factors=state.arms.price_factors(request.now_us),
            row=row,
            count_outcomes=partial(state.counts.least, request.weights),
        )
        probabilities = self._probabilities(situation)
        self._check(probabilities, situation, excluded)
        effects: dict[str, Mapping[str, Any]] = {}
        mode = "live"
        if state.controllers:
            effects = {controller.name: controller.effects(situation) for controller in state.controllers}
            mode = next((effect["mode"] for effect in effects.values() if "mode" in effect), mode)
        key = _checked(self._ids())
        draw = uniform(self._seed, key if request.draw_key is None else request.draw_key.encode())
        chosen = _drawn(probabilities, draw)
        if not prediction.is_exact:
            prediction.compute_widths([chosen])
        return Choice(
            arm=chosen,
            decision_key=key,
            row=row,
            request=request,
            probabilities=probabilities,
            prediction=prediction,
            excluded=excluded,
            mode=mode,
            cause="only" if len(excluded) == len(probabilities) - 1 else "policy",
            effects=effects,
        )

    def _fallback(self, row: RowArray, request: Request) -> Choice:
        """Choose the default arm with probability 1, or the first eligible arm if it is excluded."""
        names = self._state.arms.names
        order = (self._default_arm, *range(len(names)))
        arm = next(index for index in order if names[index] not in request.excluded)
        probabilities = np.zeros(len(names))
        probabilities[arm] = 1.0
        return Choice(
            arm=arm,
            decision_key=random_key(),
            row=row,
            request=request,
            probabilities=probabilities,
            prediction=None,
            excluded=request.excluded,
            mode="fallback",
            cause="fallback",
            effects={},
        )

    def _check(self, probabilities: FloatArray, situation: Situation, excluded: Mapping[str, str]) -> None:
        # Written so that NaN, which compares false with everything, fails the check too.
        if not (probabilities.shape == situation.eligible.shape and np.minimum.reduce(probabilities) >= 0.0):
            raise ValueError(f"policy {self._policy!r} gave no probabilities: {probabilities!r}")
        if excluded and probabilities[~situation.eligible].any():
            raise ValueError(f"policy {self._policy!r} gave a probability to arms that are not eligible")

    def _over_cost_limit(self, limit: float, request: Request, prediction: Prediction) -> Mapping[str, str]:
        ceilings = cost_ceilings(
            self._state, prediction, prompt_tokens=request.prompt_tokens, now_us=request.now_us
        )
        return {
            name: f"may cost {ceiling:.2g} USD" if np.isfinite(ceiling) else "its cost is not known"
            for name, ceiling in zip(self._state.arms.names, ceilings.tolist(), strict=True)
            if not ceiling <= limit and name not in request.excluded
        }


def _drawn(probabilities: FloatArray, draw: float) -> int:
    cumulative = probabilities.cumsum()
    total = float(cumulative[-1])
    if not abs(total - 1.0) <= _ROUNDING:
        raise ValueError(f"probabilities sum to {total}")
    return int(cumulative.searchsorted(draw * total, side="right"))


def _checked(key: bytes) -> bytes:
    if not (isinstance(key, bytes) and len(key) == KEY_BYTES):
        raise InvalidArgumentError(f"ids must give {KEY_BYTES} bytes, got {shown(key)}")
    return key
