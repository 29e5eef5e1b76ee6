"""A model arrives in the middle of the stream: is it adopted if, and only if, it is worth it?"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from banditroute import Arm
from banditroute.core.arrays import BoolArray, FloatArray
from banditroute.policies.exploration import STANDARD_EXPLORATION
from simulations.budget.data import Split, splits
from simulations.budget.drills import WINDOW, moving, shuffled
from simulations.budget.hindsight import fitted
from simulations.budget.stream import BUDGET, PRICES, USD, Setting, play
from simulations.budget.study import CONFIG, Study, setting
from simulations.markdown import table


@dataclass(frozen=True, slots=True)
class Case:
    """An arrival: the arm, its quality and price, and the budget.

    Attributes:
        name: For the table.
        usd: Dollars per request.
        quality: Its quality is scaled to this mean; None leaves it as it was recorded.
        dearer: Its dollars are multiplied by this.
    """

    name: str
    usd: float
    quality: float | None = None
    dearer: float = 1.0

    def applied(self, split: Split, place: int) -> Split:
        """Return the split with this arm at the position."""
        quality, usd = split.quality.copy(), split.usd.copy()
        if self.quality is not None:
            quality[:, place] *= self.quality / quality[:, place].mean()
        usd[:, place] *= self.dearer
        return replace(split, quality=quality, usd=usd)


CASES = (
    Case("as recorded", 1.9e-3),
    Case("a tenth of its price", 2.3e-4, dearer=0.1),
    Case("as recorded", 2.3e-4),
    Case("as recorded", 8.3e-5),
    Case("mean quality .7", 1.9e-3, quality=0.7),
    Case("mean quality .7, at ten times its price", 6.6e-4, quality=0.7, dearer=10.0),
    Case("ten times its price", 2.3e-4, dearer=10.0),
    Case("ten times its price", 6.6e-4, dearer=10.0),
)


@dataclass(frozen=True, slots=True)
class Newcomer:
    """One seed of an arrival.

    Attributes:
        setting: How to route.
        seed: Of the order and of the draws.
        arm: Who arrives.
        arrives: Before which request.
        directory: Of the recorded workloads.
        case: What it is like.
    """

    setting: Setting
    seed: int
    arm: str
    arrives: int
    directory: Path
    case: Case


class Reception(NamedTuple):
    """Results of an arrival.

    Attributes:
        adopted: Requests until it gets a tenth of 50; infinite if it never does.
        wanted: The same without its burn-in.
        pulls: Without the floor's share.
        quality: Mean of the stream.
        cost: Over the budget, of the stream.
    """

    adopted: float
    wanted: float
    pulls: float
    quality: float
    cost: float


def newcomer(task: Newcomer) -> Reception:
    """Run one arrival."""
    stream = shuffled(splits(task.directory)["test"], task.seed)
    place = stream.arms.index(task.arm)
    stream = task.case.applied(stream, place)
    first = [arm for arm in stream.arms if arm != task.arm]
    arm = Arm(task.arm, price=PRICES[task.arm], prior={"cost_usd": USD[task.arm] * task.case.dearer})
    run = play(
        task.setting, stream, task.seed, arms=first, events={task.arrives: lambda router: router.add_arm(arm)}
    )
    pulled = (run.arm == place)[task.arrives :].astype(np.float64)
    # The burn-in alone is a tenth of 50 requests, so what comes after it is looked at too.
    wanted = np.where(np.cumsum(pulled) > STANDARD_EXPLORATION.burn_in, pulled, 0.0)
    floor = task.setting.floor / len(stream.arms) * len(pulled)
    return Reception(
        _adopted(pulled),
        _adopted(wanted),
        float(pulled.sum() - floor),
        float(run.quality.mean()),
        float(run.usd.mean() / task.setting.usd),
    )


def _adopted(pulled: FloatArray) -> float:
    often = np.flatnonzero(moving(pulled) >= CONFIG["new_arm"]["share"])
    return float(often[0] + WINDOW) if len(often) else np.inf


class Worth(NamedTuple):
    """Value of the arm in hindsight: gain in quality, and share of the requests."""

    gain: float
    share: float

    @property
    def verdict(self) -> str:
        """Whether it is worth it; neither yes nor no for an arm that gains a little on a few requests."""
        if self.gain > 0 and self.share >= CONFIG["new_arm"]["share"]:
            return "yes"
        return "no" if self.gain <= 0 else "hardly"


def worth(case: Case, arm: str, directory: Path) -> Worth:
    """In hindsight: a ridge on the validation rows, its price tuned on the test rows, with the arm and without."""
    history, test = splits(directory)["val"], splits(directory)["test"]
    place = test.arms.index(arm)
    history, test = case.applied(history, place), case.applied(test, place)
    others = [name for name in test.arms if name != arm]
    with_it = fitted(history, test, case.usd)
    without = fitted(history.only(others), test.only(others), case.usd)
    return Worth(with_it.quality - without.quality, float(with_it.shares[place]))


def arrivals(study: Study, directory: Path | None) -> list[str]:
    """Write the section on a fourth model."""
    config = CONFIG["new_arm"]
    if directory is None:
        return ["## A new arm", "", "Left out: no directory of recorded workloads was given."]
    rows = []
    for case in CASES:
        valued = worth(case, config["arm"], directory)
        how = setting(BUDGET, case.usd, warm=False)
        tasks = [
            Newcomer(how, seed, config["arm"], config["arrives"], directory, case) for seed in range(study.seeds)
        ]
        found = np.array(study.map(newcomer, tasks))
        adopted, wanted = (found[:, :2] <= config["within"]).T
        pulls = found[:, 2]
        few = pulls < config["most_pulls"]
        median = np.median(found[:, 1])
        rows.append(
            [
                case.name,
                f"{case.usd:g}",
                f"{valued.gain:+.4f}, {valued.share:.1%}",
                valued.verdict,
                f"{adopted.sum()} of {study.seeds}",
                f"{wanted.sum()} of {study.seeds}",
                f"{median:.0f}" if np.isfinite(median) else "never",
                f"{np.median(pulls):.0f}, at most {pulls.max():.0f}",
                f"{few.sum()} of {study.seeds}",
                f"{found[:, 3].mean():.4f}",
                f"{found[:, 4].mean():.3f}",
                _kept(valued, adopted, few),
            ]
        )
    return [
        "## A new arm",
        "",
        f"`{config['arm']}`, the fourth model of `paretobandit4`, arrives before request {config['arrives'] + 1}",
        f"of its test split; cold start, {study.seeds} seeds. In hindsight: what a ridge on the validation rows,",
        "its price tuned on the test rows, gains by the arm, and the share that it gives it. Worth it: a gain,",
        f"and at least {config['share']:.0%} of the requests; not: no gain; hardly: between the two, without a",
        f"requirement. Adopted: ≥ {config['share']:.0%} of {config['window']} consecutive requests within",
        f"{config['within']}, in every seed; its burn-in of 5 is such a tenth by itself, so what comes after it",
        f"is shown too. If it is not worth it, fewer than {config['most_pulls']} pulls in every seed, those of",
        "the floor not counted.",
        *table(
            [
                "newcomer",
                "budget [USD]",
                "in hindsight",
                "worth it",
                "adopted in time",
                "so after the burn-in",
                "requests until then (median)",
                "pulls (median, most)",
                f"fewer than {config['most_pulls']}",
                "quality",
                "cost / budget",
                "kept",
            ],
            rows,
        ),
    ]


def _kept(valued: Worth, adopted: BoolArray, few: BoolArray) -> str:
    if valued.verdict == "hardly":
        return "–"
    return "yes" if (adopted if valued.verdict == "yes" else few).all() else "**no**"
