"""S3: feedback that should never have been taken does not move the choice."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import numpy as np

from banditroute import Arm, Exploration, LinUCB, Router
from banditroute.core.arrays import FloatArray
from banditroute.errors import BanditRouteError
from banditroute.testing.world import SECRET, bodies
from simulations.reliability.harness.row import Finding, Tick

ARMS, FEATURES = 3, 4
ALPHA, RIDGE = 0.5, 1.0


class Unchecked:
    """The negative control: a learner that accepts every report."""

    def __init__(self) -> None:
        self._V = np.stack([np.eye(FEATURES) * RIDGE for _ in range(ARMS)])
        self._b = np.zeros((ARMS, FEATURES))

    def route(self, x: FloatArray) -> int:
        """LinUCB, as in the textbook."""
        with np.errstate(all="ignore"):
            inverse = np.linalg.pinv(self._V) if np.isfinite(self._V).all() else self._V * np.nan
            theta = np.einsum("adk,ak->ad", inverse, self._b)
            return int(np.argmax(theta @ x + ALPHA * np.sqrt(np.einsum("d,adk,k->a", x, inverse, x))))

    def feedback(self, arm: int, x: FloatArray, quality: float) -> None:
        """Learn."""
        with np.errstate(all="ignore"):
            self._V[arm] += np.outer(x, x)
            self._b[arm] += quality * x


Attack: TypeAlias = Callable[["Victim", str, FloatArray], None]
"""Attacks once: (whom, the id of the last decision for the worst arm, its features)."""


class Victim:
    """A router of ours, and an unchecked learner beside it, which share their world.

    Attributes:
        router: Ours.
        unchecked: The other one; None if ours is looked at.
        refused: How often ours refused, or knew it already.
        said: The quality that was honestly reported last.
    """

    def __init__(self, *, unchecked: bool) -> None:
        self.router = Router(
            "poisoned",
            arms=[Arm(str(arm)) for arm in range(ARMS)],
            policy=LinUCB(alpha=ALPHA, ridge=RIDGE, exploration=Exploration(floor=0.02)),
            intercept=False,
            secret=SECRET,
            ids=bodies(),
            clock=lambda: 1e9,
        )
        self.unchecked = Unchecked() if unchecked else None
        self.refused = 0
        self.said = 0.0

    def route(self, x: FloatArray) -> tuple[int, str]:
        """The chosen arm, and the id of the decision."""
        if self.unchecked is not None:
            return self.unchecked.route(x), ""
        decision = self.router.route(x)
        return int(decision.arm), decision.id

    def tell(self, identity: str, x: FloatArray, quality: Any, arm: int) -> None:
        """Report as an attacker would."""
        if self.unchecked is not None:
            self.unchecked.feedback(arm, x, quality)
            return
        try:
            receipt = self.router.feedback(identity, quality=quality)
            self.refused += receipt.status == "duplicate"
        except BanditRouteError:
            self.refused += 1

    def ask(self, x: FloatArray) -> None:
        """Request a decision for features that no user has, and report it as bad."""
        if self.unchecked is not None:
            self.unchecked.feedback(BEST, x, 0.0)
            return
        try:
            self.router.feedback(self.router.route(x).id, quality=0.0)
        except BanditRouteError:
            self.refused += 1


BEST, WORST = 0, ARMS - 1


def _forged(victim: Victim, identity: str, x: FloatArray) -> None:
    flipped = identity[:-2] + ("AA" if identity[-2:] != "AA" else "BA")
    for _ in range(20):
        victim.tell(flipped, x, 1.0, WORST)


def _replayed(victim: Victim, identity: str, x: FloatArray) -> None:
    for quality in (victim.said, 1.0):
        for _ in range(25):
            victim.tell(identity, x, quality if victim.unchecked is None else 1.0, WORST)


ATTACKS: Mapping[str, Attack] = {
    "NaN": lambda victim, identity, x: victim.tell(identity, x, float("nan"), WORST),
    "infinite": lambda victim, identity, x: victim.tell(identity, x, float("inf"), WORST),
    "out of range": lambda victim, identity, x: victim.tell(identity, x, 1e6, WORST),
    "high leverage": lambda victim, _, x: victim.ask(x * 1e4),
    "replayed": _replayed,
    "forged": _forged,
}


@dataclass(frozen=True, slots=True)
class Poison:
    """Each attack on a stream of so many requests, at every so manieth of them, over so many worlds."""

    id: ClassVar[str] = "S3"
    does: ClassVar[str] = "poisoning by NaN, ±inf, out of range, high leverage, replayed feedback, forged ids"
    asks: ClassVar[str] = "share of the best arm within 0.02 of no attack"
    control: ClassVar[str] = "a learner that checks nothing"

    steps: int = 1_500
    every: int = 25
    worlds: int = 4

    def measure(self, place: Path, tick: Tick) -> Finding:  # noqa: ARG002  (memory is enough)
        """Without an attack, then with each."""
        calm, refused = self._share(None, unchecked=False)
        calm_unchecked, _ = self._share(None, unchecked=True)
        ours, theirs = {}, {}
        for done, (name, attack) in enumerate(ATTACKS.items(), 1):
            ours[name], refusals = self._share(attack, unchecked=False)
            refused += refusals
            theirs[name], _ = self._share(attack, unchecked=True)
            tick(done, len(ATTACKS))
        worst = max(abs(share - calm) for share in ours.values())
        measured: dict[str, float | str] = {
            "share of the best arm": calm,
            "moved at most": worst,
            "refused": refused,
        }
        control: dict[str, float | str] = {"share": calm_unchecked, **theirs}
        moved = [name for name, share in theirs.items() if abs(share - calm_unchecked) > 0.02]
        return Finding(measured, worst <= 0.02 and refused > 0, control, len(moved) == len(ATTACKS))

    def _share(self, attack: Attack | None, *, unchecked: bool) -> tuple[float, int]:
        """Share of the best arm in the second half, over all worlds, and what was refused."""
        best, refused = 0, 0
        for seed in range(self.worlds):
            found, refusals = self._lived(np.random.default_rng([61, seed]), attack, unchecked=unchecked)
            best, refused = best + found, refused + refusals
        return best / (self.worlds * (self.steps - self.steps // 2)), refused

    def _lived(self, rng: np.random.Generator, attack: Attack | None, *, unchecked: bool) -> tuple[int, int]:
        """One world, in which the first arm is always the best by a quarter."""
        victim, best = Victim(unchecked=unchecked), 0
        slope = rng.uniform(-0.1, 0.1, FEATURES)
        for step in range(self.steps):
            x = np.append(rng.uniform(-1, 1, FEATURES - 1), 1.0)
            noise = rng.normal(scale=0.05)
            arm, identity = victim.route(x)
            best += step >= self.steps // 2 and arm == BEST
            quality = float(np.clip(0.5 + x @ slope + (0.25 if arm == BEST else 0.0) + noise, 0, 1))
            victim.said = quality
            if victim.unchecked is None:
                victim.router.feedback(identity, quality=quality)
            else:
                victim.unchecked.feedback(arm, x, quality)
            if attack is not None and step % self.every == self.every - 1:
                attack(victim, identity, x)
        return best, victim.refused
