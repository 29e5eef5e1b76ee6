"""Computes upper bounds of a request's cost with each arm."""

import numpy as np

from banditroute.core.arrays import FloatArray
from banditroute.core.objectives import COST
from banditroute.core.prediction import Prediction
from banditroute.router.state.state import State

SAFE_DEVIATIONS = 2.0


def cost_ceilings(state: State, prediction: Prediction, *, prompt_tokens: float | None, now_us: int) -> FloatArray:
    """Return an upper bound of the predicted cost of one request, shape (arms,) [USD].

    The bound follows from the price if the prompt's length and ``Arm.max_output_tokens`` are known. Otherwise it
    is two standard deviations above the learned mean, and infinite for an arm without learned cost: an unknown
    cost must not count as 0.
    """
    model = state.model
    assert model is not None
    names = state.arms.names
    ceilings = np.full(len(names), np.inf)
    if COST in state.objectives.names:
        j = state.objectives.names.index(COST)
        objective = state.objectives[j]
        factors = state.arms.price_factors(now_us)
        noise = model.noise()[j] * (1.0 if factors is None else factors)
        reach = prediction.mean[:, j] + SAFE_DEVIATIONS * np.hypot(prediction.width[:, j], noise)
        learned = objective.bounds[0] + objective.span * reach
        ceilings = np.where(model.counts(objective.group) > 0, learned, ceilings)
    if prompt_tokens is not None:
        for i, name in enumerate(names):
            price, most = state.arms.price(name, now_us), state.arms.record(name).arm.max_output_tokens
            if price is not None and most is not None:
                ceilings[i] = price.cost_usd(prompt_tokens=prompt_tokens, output_tokens=most)
    return ceilings
