"""One stream of requests through one controller: the router's own choice, belief and state, without its log."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from banditroute.arms import Arm
from banditroute.arrays import OUTCOME_UNIT, FloatArray, feature_row
from banditroute.barrier import Barrier
from banditroute.choice import Chooser
from banditroute.controllers import PricedCache
from banditroute.objectives import Objective, Objectives
from banditroute.policies import Policy
from banditroute.records import FeedbackRecord, Request, RouterSpec
from banditroute.state import State
from banditroute.state.roster import new_arm_record

OBJECTIVES = Objectives([Objective("utility")])
WEIGHTS = OBJECTIVES.weights({"utility": 1.0})


@dataclass(frozen=True, slots=True)
class Episode:
    """What came of a stream, request by request.

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
        noise: Standard deviation of what is observed around ``worth``.
        oracle: What the best fixed residents would earn; shape (requests,).
    """

    names: tuple[str, ...]
    X: FloatArray
    worth: FloatArray
    miss: FloatArray
    noise: float
    oracle: FloatArray


def play(scene: Scene, controller: PricedCache, policy: Policy, seed: int) -> Episode:
    """Route every context and learn its noisy utility at once.

    Misses and loads are paid at the scene's price, whatever the controller believes of them. A miss of a
    controller that keeps what it loads (LRU, LFU) is paid once, as the load that it is.
    """
    state = State(OBJECTIVES, ridge=policy.ridge, controllers=[controller])
    for name in scene.names:
        state.roster.put(new_arm_record(Arm(name), OBJECTIVES, now_us=0))
    state.fix_dimension(
        RouterSpec.of("polar", "", OBJECTIVES, scene.X.shape[1], intercept=True, x_max=4.0, policy=policy)
    )
    chooser = Chooser(policy, state, Barrier(), default_arm=scene.names[0], seed=seed, ids=_bodies())
    request = Request(
        preferences={"utility": 1.0},
        weights=WEIGHTS,
        excluded={},
        prompt_tokens=None,
        max_cost_usd=None,
        key=None,
        now_us=0,
    )
    place = {name: i for i, name in enumerate(scene.names)}
    noise = np.random.default_rng([1, seed]).normal(scale=scene.noise, size=len(scene.X))
    rows = feature_row(scene.X, intercept=True)
    net, loaded, waited = (np.zeros(len(scene.X)) for _ in range(3))
    for t, row in enumerate(rows):
        before = set(controller.resident)
        record = chooser.choose(row, request, lambda row=row: state.predict(row, 0))  # type: ignore[misc]
        state.see_decision(record)
        arm = place[record.arm]
        missed = record.arm not in before
        brought = [place[name] for name in controller.resident if name not in before and name != record.arm]
        waited[t] = scene.miss[arm] if missed else 0.0
        loaded[t] = len(brought) + missed
        net[t] = scene.worth[t, arm] - waited[t] - scene.miss[brought].sum()
        value = round(float(np.clip(scene.worth[t, arm] + noise[t], 0.0, 1.0)) / OUTCOME_UNIT)
        state.see_feedback(_feedback(record.body, t + 1, record.arm, row, record.epoch, value))
    return Episode(net, scene.oracle, loaded, waited)


def _feedback(body: bytes, learned: int, arm: str, row: np.ndarray, epoch: int, value: int) -> FeedbackRecord:
    return FeedbackRecord(
        body=body,
        learned=learned,
        group="utility",
        revision=0,
        arm=arm,
        row=row,
        epoch=epoch,
        values=(value,),
        previous=None,
        outcomes={},
        source=None,
        received_us=0,
    )


def _bodies() -> Callable[[], bytes]:
    numbers = iter(range(1 << 62))
    return lambda: next(numbers).to_bytes(16, "big")
