"""One choice: policy, draw, evidence, and the barrier behind which no fault reaches the caller."""

import logging
from collections.abc import Callable, Mapping
from typing import ClassVar, TypeAlias

import numpy as np

from banditroute.arrays import FloatArray, RowArray
from banditroute.errors import BanditRouteError, InvalidArgumentError
from banditroute.identity import BODY_BYTES, IdSource, random_body, uniform
from banditroute.policies import Policy
from banditroute.records import DecisionRecord, Request, Situation
from banditroute.state import State, cost_ceilings

_log = logging.getLogger("banditroute")

EPOCH_REQUESTS = 65_536
_ROUNDING = 1e-9

Prediction: TypeAlias = tuple[FloatArray, FloatArray]


class Chooser:
    """Makes the choices of one router.

    Attributes:
        faults: How many choices fell back after an internal fault.
        last_fault: What the last of them was.
    """

    faults_escape: ClassVar[bool] = False
    """Whether internal faults are raised: for tests, so that none hides behind the fallback."""

    def __init__(self, policy: Policy, state: State, *, default_arm: str, seed: int, bodies: IdSource) -> None:
        self._policy = policy
        self._state = state
        self._default_arm = default_arm
        self._seed = seed
        self._bodies = bodies
        self.faults = 0
        self.last_fault = ""

    def choose(
        self, row: RowArray, request: Request, predict: Callable[[], Prediction], *, ahead: int = 0
    ) -> DecisionRecord:
        """Choose an arm, ``ahead`` places behind the last recorded decision; whatever breaks, the answer comes."""
        excluded = dict(request.excluded)
        try:
            mean, width = predict()
            if request.max_cost_usd is not None:
                excluded |= self._too_dear(request.max_cost_usd, request, mean, width)
            probabilities = self._probabilities(excluded, request, mean, width)
            body = _checked(self._bodies())
            draw = uniform(self._seed, body if request.key is None else request.key.encode())
            chosen = _drawn(probabilities, draw)
            mode, cause = "live", "only" if len(excluded) == len(probabilities) - 1 else "policy"
        except BanditRouteError:
            raise
        except Exception as fault:
            if self.faults_escape:
                raise
            self.faults += 1
            self.last_fault = f"{type(fault).__name__}: {fault}"
            _log.exception("deciding failed, falling back")
            chosen = self._fallback(request.excluded)
            probabilities = np.zeros(len(self._state.roster))
            probabilities[chosen] = 1.0
            mean = width = np.zeros((len(probabilities), 0))
            body, mode, cause = random_body(), "fallback", "fallback"
        position = self._state.position
        return DecisionRecord(
            body=body,
            decided=position.decided + ahead + 1,
            learned=position.learned,
            arm=self._state.roster.names[chosen],
            row=row,
            arms=self._state.roster.names,
            probabilities=probabilities,
            mean=mean,
            width=width,
            preferences=request.preferences,
            excluded=excluded,
            epoch=(position.decided + ahead) // EPOCH_REQUESTS,
            mode=mode,
            cause=cause,
            key=request.key,
            created_us=request.now_us,
        )

    def _probabilities(
        self, excluded: Mapping[str, str], request: Request, mean: FloatArray, width: FloatArray
    ) -> FloatArray:
        roster = self._state.roster
        situation = Situation(
            arms=roster.names,
            eligible=roster.eligible(excluded),
            mean=mean,
            width=width,
            weights=request.weights,
            plays=self._state.plays,
        )
        probabilities = self._policy.probabilities(situation)
        # Written so that NaN, which compares false with everything, is refused too.
        if not (probabilities.shape == situation.eligible.shape and probabilities.min() >= 0.0):
            raise ValueError(f"policy {self._policy!r} gave no probabilities: {probabilities!r}")
        if excluded and probabilities[~situation.eligible].any():
            raise ValueError(f"policy {self._policy!r} gave arms a chance that are not eligible")
        return probabilities

    def _too_dear(self, limit: float, request: Request, mean: FloatArray, width: FloatArray) -> Mapping[str, str]:
        ceilings = cost_ceilings(
            self._state, mean, width, prompt_tokens=request.prompt_tokens, now_us=request.now_us
        )
        return {
            name: f"may cost {ceiling:.2g} USD" if np.isfinite(ceiling) else "its cost is not known"
            for name, ceiling in zip(self._state.roster.names, ceilings.tolist(), strict=True)
            if not ceiling <= limit and name not in request.excluded
        }

    def _fallback(self, excluded: Mapping[str, str]) -> int:
        names = (self._default_arm, *self._state.roster.names)
        return self._state.roster.position(next(name for name in names if name not in excluded))


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
