"""Exploration around an argmax: ties shared, new arms tried, and no arm at probability 0.

Exploration mixes distributions and never draws, so the logged propensity is exact.
"""

from dataclasses import dataclass

import numpy as np

from banditroute.core.arrays import BoolArray, FloatArray
from banditroute.core.situation import Situation
from banditroute.core.validation import set_integer, set_number

WAITING_SHARE = 0.125
"""Share of the floor of an arm that waits, relative to other arms."""

_TIE = 1e-9


def tie_tolerance(situation: Situation) -> float:
    """Return the largest difference of two scores that still counts as a tie: 1e-9 of the weights' sum.

    Matrix products add the terms of their edge rows in another order, so equal arms may differ in the last bits.
    """
    total: float = sum(map(abs, situation.weights.tolist()))
    return _TIE * total


def greedy(score: FloatArray, situation: Situation) -> FloatArray:
    """Put all probability on the eligible arm with the highest score; ties share it. Shape (arms,)."""
    if np.count_nonzero(situation.eligible) < len(score):
        score = np.where(situation.eligible, score, -np.inf)
    first = score.argmax()
    best = score >= score[first] - tie_tolerance(situation)
    count = np.count_nonzero(best)
    probabilities = np.zeros(len(score))
    if count > 1:
        probabilities[best] = 1.0 / count
        return probabilities
    probabilities[first] = 1.0
    return probabilities


@dataclass(frozen=True, slots=True, kw_only=True)
class Exploration:
    """The final randomiser of a policy: π = (1 − ε)·[(1 − q)·p + q·newcomers] + ε·floor.

    An arm that was chosen a few times while its outcomes are not known yet *waits*: its width is as large as that
    of an arm never chosen, and would attract all traffic until the outcomes arrive. Until then it gets a share of
    the floor only. No arm waits while no arm is known.

    Attributes:
        floor: ε, the share of traffic spread over the eligible arms, so that the log can be evaluated for any
            policy: evenly, but an eighth of a share for an arm that waits. [0, 1)
        burn_in: An arm chosen less often than this is a newcomer. 0 switches burn-in off.
        burn_in_share: q, the share of traffic spread evenly over newcomers while there are any. A burn-in costs
            at most this share of traffic, however bad the newcomer is. [0, 1)
        wait_for: An arm waits once it was chosen this often, until as many of its outcomes are known. 0 switches
            waiting off.
    """

    floor: float = 0.02
    burn_in: int = 5
    burn_in_share: float = 0.2
    wait_for: int = 5

    def __post_init__(self) -> None:
        set_number(self, "floor", least=0, below=1)
        set_number(self, "burn_in_share", least=0, below=1)
        set_integer(self, "burn_in", least=0)
        set_integer(self, "wait_for", least=0)

    def without_waiting(self, situation: Situation) -> Situation:
        """Return the situation without the arms that wait, in which a policy makes its choice."""
        waiting = self._waiting(situation)
        return situation if waiting is None else situation.narrowed(situation.eligible & ~waiting)

    def mix(
        self, probabilities: FloatArray, situation: Situation, chosen_from: Situation | None = None
    ) -> FloatArray:
        """Return the probabilities after burn-in and floor; shape (arms,).

        Args:
            probabilities: Those of the policy; shape (arms,).
            situation: The situation.
            chosen_from: The result of :meth:`without_waiting`, in which the policy made its choice; None for a
                policy in which no arm waits.
        """
        eligible = situation.eligible
        if self.burn_in:
            newcomers = situation.plays < self.burn_in
            if np.count_nonzero(newcomers):
                newcomers &= eligible
                probabilities = mix_uniform(probabilities, self.burn_in_share, newcomers)
        if not self.floor:
            return probabilities
        if chosen_from is None or chosen_from is situation:
            return mix_uniform(probabilities, self.floor, eligible)
        shares = np.where(chosen_from.eligible, 1.0, WAITING_SHARE) * eligible
        mixed: FloatArray = (1 - self.floor) * probabilities + shares * (self.floor / shares.sum())
        return mixed

    def _waiting(self, situation: Situation) -> BoolArray | None:
        """Return which eligible arms wait; None if there are none."""
        if not self.wait_for or situation.count_outcomes is None:
            return None
        counts = situation.count_outcomes()
        # The usual case, in one look.
        if np.minimum.reduce(counts) >= self.wait_for:
            return None
        is_known = counts >= self.wait_for
        waiting = ~is_known
        waiting &= situation.eligible
        waiting &= situation.plays >= self.wait_for
        if not np.count_nonzero(waiting) or not np.count_nonzero(is_known & situation.eligible):
            return None
        return waiting


def mix_uniform(probabilities: FloatArray, share: float, arms: BoolArray) -> FloatArray:
    """Take a share of all probability and spread it evenly over some arms, if there are any."""
    count = np.count_nonzero(arms)
    if not count:
        return probabilities
    mixed = (1 - share) * probabilities
    # Adding to the whole array takes a third of the time of adding to a selection.
    mixed += share / count if count == len(arms) else arms * (share / count)
    return mixed


STANDARD_EXPLORATION = Exploration()
