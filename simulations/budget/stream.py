"""One stream of requests through the real router: a warm or a cold start, events, and results."""

import shutil
import struct
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from banditroute import Arm, Exploration, LinUCB, Objective, Price, Router
from banditroute.controllers import Budget, Controller
from banditroute.core.arrays import FloatArray, IntArray
from simulations.budget.data import Split
from simulations.budget.rivals import Pacer, PrimalDual, Rival, Thresholds

START_S = 1_700_000_000.0
_HISTORY_S = START_S - 100_000.0
_SECRET = b"the study's own secret, 32 bytes."
OBJECTIVES = (Objective("quality"), Objective("cost_usd", goal="min", bounds=(0, 0.05)))
# Mean dollars on the validation rows, what a price list and a guess of lengths would say.
USD = {"llama-3.1-8b": 2.9e-5, "mistral-large": 5.0e-4, "gemini-2.5-pro": 1.5e-2, "gemini-2.5-flash": 8.9e-4}
PRICES = {
    "llama-3.1-8b": Price(input=0.1, output=0.1),
    "mistral-large": Price(input=0.5, output=1.5),
    "gemini-2.5-pro": Price(input=1.25, output=10.0),
    "gemini-2.5-flash": Price(input=0.3, output=2.5),
}
BUDGET = "re-solved dual"
RIVALS: Mapping[str, Callable[[float, Mapping[str, float], int], Rival]] = {
    "pacer": Pacer,
    "thresholds": Thresholds,
    "primal-dual": PrimalDual,
}

Event = Callable[[Router], None]


@dataclass(frozen=True, slots=True)
class Setting:
    """A way to route.

    Attributes:
        controller: :data:`BUDGET`, or the name of a rival.
        usd: Allowed per request.
        alpha, ridge, floor: Of LinUCB.
    """

    controller: str
    usd: float
    alpha: float
    ridge: float
    floor: float

    def controllers(self) -> list[Controller]:
        """Return new controllers."""
        if self.controller == BUDGET:
            since = datetime.fromtimestamp(START_S, UTC)
            return [Budget(usd_per_request=self.usd, optimism=self.alpha, since=since)]
        return [RIVALS[self.controller](self.usd, USD, int(START_S * 1e6))]

    def policy(self) -> LinUCB:
        """The policy within; rivals, which do not look after a floor, have none."""
        exploration = Exploration(floor=self.floor)
        if self.controller != BUDGET:
            exploration = Exploration(floor=0.0, burn_in=0)
        return LinUCB(alpha=self.alpha, ridge=self.ridge, exploration=exploration)


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """Results of a stream per request: position of the arm, propensity, quality and unclipped cost."""

    arm: IntArray
    propensity: FloatArray
    quality: FloatArray
    usd: FloatArray


@dataclass(slots=True)
class _World:
    """The clock and the ids of one run."""

    seed: int
    now: float = _HISTORY_S
    issued: int = field(default=0)

    def __call__(self) -> float:
        return self.now

    def body(self) -> bytes:
        self.issued += 1
        return struct.pack(">qQ", self.seed, self.issued)


def open_router(
    setting: Setting, arms: Sequence[str], features: int, world: _World, store: str | None, *, priors: bool
) -> Router:
    """The router of the study; ``priors`` declares what a price list says, for a start without history."""
    return Router(
        "budget study",
        arms=[Arm(arm, price=PRICES[arm], prior={"cost_usd": USD[arm]} if priors else {}) for arm in arms],
        objectives=OBJECTIVES,
        policy=setting.policy(),
        controllers=setting.controllers(),
        preferences={"quality": 1.0},
        store=store,
        features=features,
        x_max=8.0,
        seed=world.seed,
        secret=_SECRET,
        clock=world,
        ids=world.body,
    )


def learn_history(setting: Setting, history: Split, path: Path) -> None:
    """Write the log of a router that saw every arm on every request of the history, by ordinary feedback."""
    world = _World(seed=-1)
    with open_router(
        setting, history.arms, history.X.shape[1], world, f"sqlite:///{path}", priors=False
    ) as router:
        for x, quality, usd in zip(history.X, history.quality.tolist(), history.usd.tolist(), strict=True):
            for place, arm in enumerate(history.arms):
                decision = router.route(x, allowed=[arm])
                router.feedback(decision.id, quality=quality[place], cost_usd=usd[place])
                world.now += 1.0


def play(
    setting: Setting,
    stream: Split,
    seed: int,
    *,
    history: Path | None = None,
    arms: Sequence[str] | None = None,
    events: Mapping[int, Event] | None = None,
    restart_at: int | None = None,
) -> Run:
    """Route a stream in its order.

    Args:
        setting: How.
        stream: Requests, with what every arm makes of them, as it is when they come.
        seed: Of the draws.
        history: The log of :func:`learn_history`, of which a copy is continued; without it the start is cold.
        arms: Those that are there from the start; by default all.
        events: Request → what happens before it.
        restart_at: Close the router before this request and open it again.
    """
    world = _World(seed)
    names = stream.arms if arms is None else tuple(arms)
    with tempfile.TemporaryDirectory() as folder:
        store = None
        if history is not None or restart_at is not None:
            path = Path(folder) / "log.db"
            if history is not None:
                shutil.copy(history, path)
            store = f"sqlite:///{path}"
        cold = history is None
        router = open_router(setting, names, stream.X.shape[1], world, store, priors=cold)
        count = len(stream.X)
        arm, propensity = np.empty(count, dtype=np.int64), np.empty(count)
        for t, x in enumerate(stream.X):
            world.now = START_S + 1.0 + t
            if t == restart_at:
                router.close()
                router = open_router(setting, names, stream.X.shape[1], world, store, priors=cold)
            if events and t in events:
                events[t](router)
            decision = router.route(x)
            place = stream.arms.index(decision.arm)
            router.feedback(
                decision.id, quality=float(stream.quality[t, place]), cost_usd=float(stream.usd[t, place])
            )
            arm[t], propensity[t] = place, decision.propensity
        faults = router.health().faults
        router.close()
    if faults:
        raise RuntimeError(f"{faults} faults inside the router")
    rows = np.arange(count)
    return Run(arm, propensity, stream.quality[rows, arm], stream.usd[rows, arm])
