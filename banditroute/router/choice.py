"""One choice: policy, draw, evidence, and the barrier behind which no fault reaches the caller."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from banditroute.controllers import controlled
from banditroute.core.arrays import FloatArray, RowArray
from banditroute.core.ids import BODY_BYTES, IdSource, random_body, uniform
from banditroute.core.log import DecisionRecord
from banditroute.core.prediction import Prediction
from banditroute.core.request import Request
from banditroute.core.runtime.faults import FaultBarrier
from banditroute.core.situation import Situation
from banditroute.errors import InvalidArgumentError
from banditroute.policies import Policy
from banditroute.router.state import State, cost_ceilings

EPOCH_REQUESTS = 65_536
_ROUNDING = 1e-9


class Chooser:
    """Makes the choices of one router."""

    def __init__(
        self, policy: Policy, state: State, barrier: FaultBarrier, *, default_arm: str, seed: int, ids: IdSource
    ) -> None:
        self._policy = policy
        self._choice = controlled(policy.probabilities, state.controllers)
        self._state = state
        self._default_arm = default_arm
        self._seed = seed
        self._ids = ids
        self._barrier = barrier

    def choose(
        self, row: RowArray, request: Request, predict: Callable[[], Prediction], *, ahead: int = 0
    ) -> DecisionRecord:
        """Choose an arm, ``ahead`` places behind the last recorded decision; whatever breaks, the answer comes."""
        with self._barrier:
            prediction = predict()
            excluded = dict(request.excluded)
            if request.max_cost_usd is not None:
                excluded |= self._too_dear(request.max_cost_usd, request, prediction)
            situation = self._situation(row, excluded, request, prediction)
            probabilities = self._probabilities(situation)
            effects = {c.name: c.effects(situation) for c in self._state.controllers}
            modes = (effect["mode"] for effect in effects.values() if "mode" in effect)
            body = _checked(self._ids())
            draw = uniform(self._seed, body if request.key is None else request.key.encode())
            chosen = _drawn(probabilities, draw)
            prediction.compute_widths([chosen])
            cause = "only" if len(excluded) == len(probabilities) - 1 else "policy"
            return DecisionRecord(
                **self._terms(row, request, ahead),
                body=body,
                arm=situation.arms[chosen],
                probabilities=probabilities,
                mean=prediction.mean,
                width=prediction.width_bound,
                excluded=excluded,
                mode=next(modes, "live"),
                cause=cause,
                effects=effects,
            )
        return self._fallback(row, request, ahead)

    def _fallback(self, row: RowArray, request: Request, ahead: int) -> DecisionRecord:
        """The default arm, or the first that may serve, for certain."""
        names = self._state.roster.names
        arm = next(name for name in (self._default_arm, *names) if name not in request.excluded)
        nothing = np.zeros((len(names), 0))
        return DecisionRecord(
            **self._terms(row, request, ahead),
            body=random_body(),
            arm=arm,
            probabilities=np.array([float(name == arm) for name in names]),
            mean=nothing,
            width=nothing,
            excluded=dict(request.excluded),
            mode="fallback",
            cause="fallback",
            effects={},
        )

    def _terms(self, row: RowArray, request: Request, ahead: int) -> dict[str, Any]:
        """What is on the record of every decision, however it fell."""
        position = self._state.position
        return {
            "decided": position.decided + ahead + 1,
            "learned": position.learned,
            "row": row,
            "arms": self._state.roster.names,
            "preferences": request.preferences,
            "weights": request.weights,
            "epoch": self._state.epoch_of_next(ahead, length=EPOCH_REQUESTS),
            "key": request.key,
            "created_us": request.now_us,
            "session": request.session,
            "cohort": request.cohort,
        }

    def _situation(
        self, row: RowArray, excluded: Mapping[str, str], request: Request, prediction: Prediction
    ) -> Situation:
        roster = self._state.roster
        return Situation(
            arms=roster.names,
            eligible=roster.eligible(excluded),
            prediction=prediction,
            weights=request.weights,
            plays=self._state.plays,
            objectives=self._state.objectives,
            request=request,
            price_factors=roster.price_factors(request.now_us),
            row=row,
        )

    def _probabilities(self, situation: Situation) -> FloatArray:
        probabilities = self._choice(situation)
        # Written so that NaN, which compares false with everything, is refused too.
        if not (probabilities.shape == situation.eligible.shape and probabilities.min() >= 0.0):
            raise ValueError(f"policy {self._policy!r} gave no probabilities: {probabilities!r}")
        if probabilities[~situation.eligible].any():
            raise ValueError(f"policy {self._policy!r} gave arms a chance that are not eligible")
        return probabilities

    def _too_dear(self, limit: float, request: Request, prediction: Prediction) -> Mapping[str, str]:
        ceilings = cost_ceilings(
            self._state, prediction, prompt_tokens=request.prompt_tokens, now_us=request.now_us
        )
        return {
            name: f"may cost {ceiling:.2g} USD" if np.isfinite(ceiling) else "its cost is not known"
            for name, ceiling in zip(self._state.roster.names, ceilings.tolist(), strict=True)
            if not ceiling <= limit and name not in request.excluded
        }


def _drawn(probabilities: FloatArray, draw: float) -> int:
    cumulative = probabilities.cumsum()
    total = float(cumulative[-1])
    if not abs(total - 1.0) <= _ROUNDING:
        raise ValueError(f"probabilities sum to {total}")
    return int(cumulative.searchsorted(draw * total, side="right"))


def _checked(body: bytes) -> bytes:
    if not (isinstance(body, bytes) and len(body) == BODY_BYTES):
        raise InvalidArgumentError(f"ids must give {BODY_BYTES} bytes, got {body!r:.60}")
    return body
