"""A good first arm does not lock the better second one out."""

from dataclasses import dataclass

import numpy as np
import pytest

from banditroute import Arm, LinTS, LinUCB, Policy, Router
from banditroute.core.arrays import FloatArray
from banditroute.core.situation import Situation
from banditroute.learning.posterior.group import GroupPosterior
from banditroute.testing.world import SECRET, bodies

SEEDS = 20
STEPS = 300
REWARD = {"good": 0.8, "better": 0.92}


@dataclass(frozen=True)
class Textbook:
    """The first highest upper bound, without burn-in and without a floor."""

    alpha: float = 0.2
    ridge: float = 1.0

    def probabilities(self, situation: Situation) -> FloatArray:
        score = situation.utility() + self.alpha * situation.utility_width()
        best: FloatArray = (np.arange(len(score)) == score.argmax()).astype(np.float64)
        return best


def share_of_better(policy: Policy, seed: int) -> float:
    """How often the better arm was chosen in the last third."""
    router = Router(
        "cold", arms=[Arm(name) for name in REWARD], policy=policy, seed=seed, secret=SECRET, ids=bodies()
    )
    rng = np.random.default_rng(seed)
    chosen = []
    for _ in range(STEPS):
        decision = router.route(rng.uniform(-0.5, 0.5, 4))
        chosen.append(decision.arm == "better")
        reward = REWARD[decision.arm] + rng.normal(scale=0.03)
        router.feedback(decision.id, quality=float(np.clip(reward, 0, 1)))
    return float(np.mean(chosen[-STEPS // 3 :]))


@pytest.mark.parametrize("policy", [LinUCB(), LinTS()], ids=["LinUCB", "LinTS"])
def test_every_seed_ends_on_the_better_arm(policy: Policy) -> None:
    shares = [share_of_better(policy, seed) for seed in range(SEEDS)]
    assert min(shares) > 0.8


def test_control_the_textbook_stays_where_it_began(monkeypatch: pytest.MonkeyPatch) -> None:
    """A prior of zero, widths in units of one, nothing forced: the first arm permanently."""

    def zero(self: GroupPosterior) -> FloatArray:
        return np.zeros((len(self.positions), self.pool.dimension))

    def one(self: GroupPosterior) -> FloatArray:
        return np.ones((1, len(self.positions)))

    monkeypatch.setattr(GroupPosterior, "_common_model", zero)
    monkeypatch.setattr(GroupPosterior, "_noise", one)
    assert [share_of_better(Textbook(), seed) for seed in range(SEEDS)] == [0.0] * SEEDS
