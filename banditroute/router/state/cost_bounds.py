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
    is two standard deviations above the mean of the arm's own costs, and infinite for an arm without known cost:
    an unknown cost must not count as 0.
    """
    names = state.arms.names
    ceilings = np.full(len(names), np.inf)
    if COST in state.objectives.names:
        ceilings = _learned(state, prediction, now_us)
    if prompt_tokens is not None:
        for i, name in enumerate(names):
            price, most = state.arms.price(name, now_us), state.arms.record(name).arm.max_output_tokens
            if price is not None and most is not None:
                ceilings[i] = price.cost_usd(prompt_tokens=prompt_tokens, output_tokens=most)
    return ceilings


def _learned(state: State, prediction: Prediction, now_us: int) -> FloatArray:
    model, j = state.model, state.objectives.names.index(COST)
    assert model is not None
    objective, factors = state.objectives[j], state.arms.price_factors(now_us)
    prices = np.ones(len(state.arms.names)) if factors is None else factors
    low, span = objective.bounds[0], objective.span
    own = prices * (low + span * state.counts.cost_ceilings(SAFE_DEVIATIONS))
    # A snapshot of an earlier release has no costs of single arms; then the model's expectation has to do.
    spread = np.hypot(prediction.width[:, j], model.noise()[j] * prices)
    expected = low + span * (prediction.mean[:, j] + SAFE_DEVIATIONS * spread)
    return np.where(np.isnan(own), np.where(model.counts(objective.group) > 0, expected, np.inf), own)
