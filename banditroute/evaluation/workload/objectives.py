"""Infers objectives for the metrics of a workload, for callers who declare none."""

from collections.abc import Mapping
from typing import Literal

from banditroute.core.objectives import Objective, Preferences
from banditroute.errors import InvalidArgumentError
from banditroute.evaluation.workload.workload import Workload

_RESOURCE_SUFFIXES = ("_usd", "_s", "_ms", "_tokens", "_j", "_wh")
_TYPICAL_MOST = 0.95


def infer_objectives(
    workload: Workload,
    preferences: Preferences,
    *,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    scales: Mapping[str, float] | None = None,
) -> tuple[Objective, ...]:
    """Return an objective for each preferred metric, with its unit from the workload if none is given.

    A metric whose name ends in a unit of a resource (``_usd``, ``_s``, ``_ms``, ``_tokens``, ``_j``, ``_wh``) is
    minimised; its scale is the 95th percentile over all recorded cells of all arms. Any other metric is maximised,
    in [0, 1].

    Args:
        workload: The workload.
        preferences: Objective → weight.
        bounds: Objective → bounds.
        scales: Objective → scale of a resource; see :class:`~banditroute.Objective`.

    Raises:
        InvalidArgumentError: if the workload has no such metric, or one whose percentile is not above 0.
    """
    bounds, scales = bounds or {}, scales or {}
    known = ", ".join(workload.outcomes)
    for name in preferences:
        if name not in workload.outcomes:
            raise InvalidArgumentError(f"unknown objective {name!r}; {workload.name} has: {known}")
    for what, given in (("bounds", bounds), ("scales", scales)):
        for name in given:
            if name not in preferences:
                raise InvalidArgumentError(f"{what} name {name!r}, which is not among the preferences; remove it")
    return tuple(_objective(workload, name, bounds.get(name), scales.get(name)) for name in preferences)


def _objective(
    workload: Workload, name: str, bounds: tuple[float, float] | None, scale: float | None
) -> Objective:
    goal: Literal["max", "min"] = "min" if name.endswith(_RESOURCE_SUFFIXES) else "max"
    if bounds is None and scale is None and goal == "min":
        scale = workload.quantile(name, _TYPICAL_MOST)
        if scale <= 0:
            raise InvalidArgumentError(
                f"the 95th percentile of {name!r} is {scale:g}, not above 0; give its scale"
            )
    if bounds is None:
        return Objective(name, goal=goal, scale=scale)
    return Objective(name, goal=goal, scale=scale, bounds=bounds)
