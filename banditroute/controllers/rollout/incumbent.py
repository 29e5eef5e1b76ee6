"""The incumbent: the logic that decided before the router."""

from typing import TypeAlias

import numpy as np

from banditroute.core.arrays import FloatArray
from banditroute.core.shown import shown
from banditroute.core.situation import Situation
from banditroute.errors import InvalidArgumentError
from banditroute.policies import Policy

Incumbent: TypeAlias = str | Policy | None
"""An arm's name, a policy, or None for the arm that the caller names, ``route(incumbent=…)``."""


def checked_incumbent(incumbent: Incumbent) -> Incumbent:
    """Return a valid incumbent; raises InvalidArgumentError for anything else."""
    if incumbent is None or (isinstance(incumbent, str) and incumbent):
        return incumbent
    if isinstance(incumbent, str | type) or not callable(getattr(incumbent, "probabilities", None)):
        raise InvalidArgumentError(f"incumbent = {shown(incumbent)} must be an arm's name, a policy or None")
    return incumbent


def incumbent_choice(incumbent: Incumbent, situation: Situation) -> FloatArray | None:
    """Return the incumbent's probabilities, shape (arms,); None if it is unknown or not eligible."""
    if incumbent is not None and not isinstance(incumbent, str):
        return incumbent.probabilities(situation)
    name = situation.request.incumbent if incumbent is None else incumbent
    if name not in situation.arms:
        return None
    index = situation.arms.index(name)
    if not situation.eligible[index]:
        return None
    certain: FloatArray = (np.arange(len(situation.arms)) == index).astype(np.float64)
    return certain
