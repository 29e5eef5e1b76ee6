"""Configuration, objectives and measures of violations that all sections of the study share."""

import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from banditroute import Objective
from banditroute.controllers import Controller
from banditroute.core.arrays import FloatArray

HERE = Path(__file__).parent
CONFIG: dict[str, Any] = tomllib.loads((HERE / "config.toml").read_text("utf-8"))
AFTER: int = CONFIG["judged_after"]
QUALITY = Objective("quality")
LATENCY = Objective("latency_s", goal="min", bounds=(0, 10))
COST = Objective("cost_usd", goal="min", bounds=(0, 0.05))

Over = Callable[[str, Callable[[int], Any]], list[Any]]
"""(what, function of a seed) → results of all seeds."""


def beyond(broken: FloatArray, allowed: float) -> tuple[float, float, float]:
    """Return the excess of a share [pp]: after 1,000 requests, its later maximum, and over later ones alone."""
    share = np.cumsum(broken) / np.arange(1, len(broken) + 1)
    later = share[AFTER - 1 :].max()
    return (
        100 * float(share[AFTER - 1] - allowed),
        100 * float(later - allowed),
        100 * float(broken[AFTER:].mean() - allowed),
    )


def violations(found: Sequence[tuple[float, float, float]]) -> list[str]:
    """Return means and worst seeds of the results of :func:`beyond`."""
    array = np.array(found)
    return [
        f"{array[:, 0].mean():+.2f} (worst {array[:, 0].max():+.2f})",
        f"{array[:, 1].max():+.2f}",
        f"{array[:, 2].mean():+.2f} (worst {array[:, 2].max():+.2f})",
        f"{(array[:, 1] > CONFIG['allowed_pp']).sum()} of {len(array)}",
    ]


VIOLATIONS = (
    f"beyond it after {AFTER:,} [pp]",
    "at any time later, worst seed",
    f"requests from {AFTER + 1:,} on alone",
    f"seeds beyond {CONFIG['allowed_pp']:g} pp",
)


def best_mixture(quality: FloatArray, used: FloatArray, allowed: float) -> float:
    """Return the quality of the best static mixture in hindsight that keeps a constraint on average."""
    from scipy.optimize import linprog

    arms = quality.shape[1]
    found = linprog(
        -quality.mean(axis=0),
        A_ub=[used.mean(axis=0)],
        b_ub=[allowed],
        A_eq=[np.ones(arms)],
        b_eq=[1.0],
    )
    assert found.fun is not None
    return -float(found.fun)


def no_controllers() -> list[Controller]:
    """None."""
    return []
