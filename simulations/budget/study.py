"""What the sections of the study share: its configuration, the settings of routers, where runs go, tables."""

import tomllib
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from simulations.budget.stream import Setting

HERE = Path(__file__).parent
CONFIG: dict[str, Any] = tomllib.loads((HERE / "config.toml").read_text("utf-8"))
BUDGETS: list[float] = CONFIG["dollars"]["budgets"]

Work = TypeVar("Work")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, eq=False)
class Study:
    """What all sections share.

    Attributes:
        pool: Where runs go.
        seeds: How many of each.
        logs: Controller → the log of its warm start.
    """

    pool: ProcessPoolExecutor
    seeds: int
    logs: dict[str, Path]

    def map(self, function: Callable[[Work], Result], works: Iterable[Work]) -> list[Result]:
        """Results in order."""
        return list(self.pool.map(function, works))


def setting(controller: str, usd: float, *, warm: bool, floor: float | None = None) -> Setting:
    """The study's setting of a controller."""
    policy = CONFIG["policy"]
    ridge = policy["ridge"] if warm else CONFIG["cold"]["ridge"]
    return Setting(controller, usd, policy["alpha"], ridge, policy["floor"] if floor is None else floor)
