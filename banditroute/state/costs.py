"""What a request may cost with each arm, at most."""

import numpy as np

from banditroute.arrays import FloatArray
from banditroute.objectives import COST
from banditroute.state.state import State

SAFE_DEVIATIONS = 2.0


def cost_ceilings(state: State, mean: FloatArray, width: FloatArray, *, prompt_tokens: int | None) -> FloatArray:
    """Upper bound of the predicted cost of one request, shape (arms,) [USD].

    By price where the prompt's length and ``Arm.max_output_tokens`` are known; else two standard deviations
    above the learned mean; infinite for an arm of which nothing is known: unknown is not free.
    """
    belief = state.belief
    assert belief is not None
    names = state.roster.names
    ceilings = np.full(len(names), np.inf)
    if COST in state.objectives.names:
        j = state.objectives.names.index(COST)
        objective = state.objectives[j]
        reach = mean[:, j] + SAFE_DEVIATIONS * np.hypot(width[:, j], belief.noise()[j])
        learned = objective.bounds[0] + objective.span * reach
        ceilings = np.where(belief.counts(objective.group) > 0, learned, ceilings)
    if prompt_tokens is not None:
        for i, name in enumerate(names):
            arm = state.roster.record(name).arm
            if arm.price is not None and arm.max_output_tokens is not None:
                ceilings[i] = arm.price.cost_usd(prompt_tokens=prompt_tokens, output_tokens=arm.max_output_tokens)
    return ceilings
