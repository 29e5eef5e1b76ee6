"""Drills: prices or qualities change in the middle of a stream, or the process restarts."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from banditroute import Price, Router
from banditroute.core.arrays import FloatArray
from banditroute.evaluation.workload.workload import shuffled_rows
from simulations.budget.data import Split, splits
from simulations.budget.stream import PRICES, Event, Run, Setting, play

WINDOW = 50


def shuffled(split: Split, seed: int) -> Split:
    """Return the requests in the order of this seed."""
    return split.take(shuffled_rows(len(split.X), seed))


def moving(values: FloatArray, window: int = WINDOW) -> FloatArray:
    """Return the moving means over a window; shape (values − window + 1,)."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    return np.asarray((sums[window:] - sums[:-window]) / window)


def settled(values: FloatArray, target: float) -> int:
    """Return after how many values the moving mean is within a tenth of ``target``; all if never."""
    near = np.flatnonzero(np.abs(moving(values) - target) <= 0.1)
    return int(near[0]) + WINDOW if len(near) else len(values)


@dataclass(frozen=True, slots=True)
class Drill:
    """One seed of a drill; plain values, so that a process pool can carry it.

    Attributes:
        kind: ``"announced"`` or ``"silent"`` price drop, ``"quality"`` drop, or ``"still"`` for nothing.
        setting: How to route.
        seed: Of the order and of the draws.
        arm: Whose price or quality drops.
        size: The factor by which the price, or the mean to which the quality drops.
        history: Log to continue; None for a cold start.
    """

    kind: str
    setting: Setting
    seed: int
    arm: str
    size: float
    history: Path | None


def drill(task: Drill) -> tuple[FloatArray, FloatArray, FloatArray, int]:
    """Quality, cost / budget and share of the arm in each third; requests until its share settles."""
    stream = shuffled(splits()["test"], task.seed)
    place = stream.arms.index(task.arm)
    third = len(stream.X) // 3
    middle = slice(third, 2 * third)
    events: dict[int, Event] = {}
    quality, usd = stream.quality.copy(), stream.usd.copy()
    if task.kind == "quality":
        quality[middle, place] *= task.size / quality[:, place].mean()
    elif task.kind != "still":
        usd[middle, place] /= task.size
    if task.kind == "announced":
        listed = PRICES[task.arm]
        dropped = Price(input=listed.input / task.size, output=listed.output / task.size)
        events = {third: _announce(task.arm, dropped), 2 * third: _announce(task.arm, listed)}
    run = play(
        task.setting, replace(stream, quality=quality, usd=usd), task.seed, history=task.history, events=events
    )
    parts = [slice(k * third, (k + 1) * third) for k in range(3)]
    share = (run.arm == place).astype(np.float64)
    return (
        np.array([run.quality[part].mean() for part in parts]),
        np.array([run.usd[part].mean() for part in parts]) / task.setting.usd,
        np.array([share[part].mean() for part in parts]),
        settled(share[middle], float(share[middle][third // 2 :].mean())),
    )


def _announce(arm: str, price: Price) -> Event:
    def announce(router: Router) -> None:
        router.set_price(arm, price)

    return announce


def restarted(setting: Setting, seed: int, at: int, history: Path | None) -> tuple[bool, bool]:
    """Check that a restart changes no bit, and, as a control, that another seed does."""
    stream = shuffled(splits()["test"], seed)

    def bits(run: Run) -> Any:
        return run.arm.tobytes(), run.propensity.tobytes()

    whole = bits(play(setting, stream, seed, history=history))
    return whole == bits(play(setting, stream, seed, history=history, restart_at=at)), whole != bits(
        play(setting, stream, seed + 1, history=history)
    )
