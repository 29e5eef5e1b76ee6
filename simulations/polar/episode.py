"""One stream of requests through one controller: the library's choice, model and controllers in lock step."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from banditroute.controllers import PricedCache
from banditroute.core.arrays import OUTCOME_UNIT, FloatArray, RowArray, feature_row, from_feature_row
from banditroute.core.ids import uniform
from banditroute.core.log import DecisionRecord
from banditroute.core.objectives import Objective, Objectives
from banditroute.core.prediction import Prediction
from banditroute.core.request import Request
from banditroute.core.situation import Situation
from banditroute.learning.posterior.group import GroupPosterior
from banditroute.policies import Policy
from banditroute.policies.base import DEFAULT_RIDGE

OBJECTIVES = Objectives([Objective("utility")])
WEIGHTS = OBJECTIVES.weights({"utility": 1.0})


@dataclass(frozen=True, slots=True)
class Episode:
    """Results of a stream, request by request.

    Attributes:
        net: Expected utility of the arm that served, less what was loaded; shape (requests,).
        oracle: The same for the best fixed residents and known means; shape (requests,).
        loaded: Adapters brought to the GPU at each request, misses included; shape (requests,).
        waited: Price of what the request itself had to wait for; shape (requests,).
    """

    net: FloatArray
    oracle: FloatArray
    loaded: FloatArray
    waited: FloatArray

    @property
    def loads(self) -> int:
        """Adapters brought to the GPU."""
        return int(self.loaded.sum())

    @property
    def regret(self) -> FloatArray:
        """Cumulative; shape (requests,)."""
        return np.cumsum(self.oracle - self.net)


@dataclass(frozen=True, slots=True)
class Scene:
    """What is played: contexts, what every adapter is worth to each of them, and the price of loading it.

    Attributes:
        names: Of the adapters.
        X: Contexts; shape (requests, d).
        worth: Expected utility; shape (requests, adapters).
        miss: Price of a load; shape (adapters,).
        noise: Standard deviation of what is observed around ``worth``; without one a request passes or fails.
        oracle: What the best fixed residents would earn; shape (requests,).
    """

    names: tuple[str, ...]
    X: FloatArray
    worth: FloatArray
    miss: FloatArray
    noise: float | None
    oracle: FloatArray

    def outcomes(self, seed: int) -> FloatArray:
        """What would be observed of each adapter, by the same chance for all; shape (requests, adapters)."""
        rng = np.random.default_rng([1, seed])
        if self.noise is None:
            return (rng.random((len(self.X), 1)) < self.worth).astype(np.float64)
        return (self.worth + rng.normal(scale=self.noise, size=(len(self.X), 1))).clip(0.0, 1.0)


def play(scene: Scene, controller: PricedCache, policy: Policy, seed: int) -> Episode:
    """Route every context and learn its noisy utility at once.

    It does what a router does, less its log, its checks and its refreshes against rounding, which take two thirds
    of its time; a test holds the two equal, choice by choice. Misses and loads are paid at the scene's price,
    whatever the controller believes of them. A miss of a controller that keeps what it loads (LRU, LFU) is paid
    once, as the load that it is.
    """
    names, count = scene.names, len(scene.names)
    place = {name: i for i, name in enumerate(names)}
    rows = feature_row(scene.X, intercept=True)
    belief = GroupPosterior(
        "utility", [0], rows.shape[1], intercept=True, ridge=getattr(policy, "ridge", DEFAULT_RIDGE)
    )
    for _ in names:
        belief.add_arms([{}])
    values = np.rint(scene.outcomes(seed) / OUTCOME_UNIT).astype(np.int64)
    everyone, plays = np.ones(count, dtype=bool), np.zeros(count, dtype=np.int64)
    net, loaded, waited = (np.zeros(len(rows)) for _ in range(3))
    residents = controller.resident
    held = frozenset(residents)

    def predict(asked: RowArray) -> tuple[FloatArray, FloatArray]:
        return belief.predict_many(from_feature_row(asked))

    for t, x in enumerate(from_feature_row(rows)):
        mean, leverages = belief.posterior.predict(x)
        prediction = Prediction(mean, np.sqrt(leverages)[:, np.newaxis], belief.noise)
        probabilities = controller.control(
            Situation(names, everyone, prediction, WEIGHTS, plays, OBJECTIVES, _REQUEST), policy.probabilities
        )
        arm = _drawn(probabilities, seed, t)
        plays[arm] += 1
        controller.decided(_record(names, arm, t, rows[t], probabilities), predict)
        value = int(values[t, arm])
        belief.observe(arm, from_feature_row(rows[t]), rows[t], (value,))
        missed = names[arm] not in held
        waited[t] = scene.miss[arm] if missed else 0.0
        loaded[t] = missed
        net[t] = scene.worth[t, arm] - waited[t]
        if controller.resident != residents:
            residents = controller.resident
            brought = [place[name] for name in residents if name not in held and name != names[arm]]
            held = frozenset(residents)
            loaded[t] += len(brought)
            net[t] -= scene.miss[brought].sum()
    return Episode(net, scene.oracle, loaded, waited)


def _drawn(probabilities: FloatArray, seed: int, number: int) -> int:
    best = int(probabilities.argmax())
    if probabilities[best] == 1.0:
        return best
    draw = uniform(seed, number.to_bytes(16, "big"))
    return int(probabilities.cumsum().searchsorted(draw * probabilities.sum(), side="right"))


_REQUEST = Request(
    preferences={"utility": 1.0},
    weights=WEIGHTS,
    excluded={},
    prompt_tokens=None,
    max_cost_usd=None,
    draw_key=None,
    now_us=0,
)
_UNUSED: Mapping[str, Any] = {
    "n_feedback": 0,
    "mean": np.zeros((0, 1)),
    "width": np.zeros((0, 1)),
    "preferences": {"utility": 1.0},
    "weights": WEIGHTS,
    "excluded": {},
    "epoch": 0,
    "mode": "live",
    "cause": "policy",
    "draw_key": None,
    "effects": {},
    "created_us": 0,
}


def _record(
    names: tuple[str, ...], arm: int, number: int, row: RowArray, probabilities: FloatArray
) -> DecisionRecord:
    return DecisionRecord(
        decision_key=b"",
        number=number + 1,
        arm=names[arm],
        row=row,
        arms=names,
        probabilities=probabilities,
        **_UNUSED,
    )
