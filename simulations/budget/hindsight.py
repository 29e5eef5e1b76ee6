"""The best result in hindsight: a ridge fitted beforehand, at the one price that spends the budget."""

from typing import NamedTuple

import numpy as np

from banditroute.core.arrays import FloatArray, IntArray
from simulations.budget.data import Split

RIDGE = 32.0
_LEAST_USD = 1e-6
_MOST_PRICE = 1e6
_HALVINGS = 60


class Hindsight(NamedTuple):
    """Mean quality, and the share of the requests that each arm gets; shape (arms,)."""

    quality: float
    shares: FloatArray


def fitted(history: Split, test: Split, usd: float) -> Hindsight:
    """Each request of ``test`` to the arm of the best predicted quality − price · dollars.

    The price is the one at which the test rows cost ``usd`` a request; where it lies at a step, the two choices on
    either side are mixed. Where even the cheapest choice costs more, it is that.
    """
    quality = _predicted(history.X, history.quality, test.X)
    dollars = np.maximum(_predicted(history.X, history.usd, test.X), _LEAST_USD)

    def chosen(price: float) -> IntArray:
        return np.asarray((quality - price * dollars).argmax(axis=1))

    low, high = 0.0, _MOST_PRICE
    if _mean(test.usd, chosen(low)) <= usd:
        return _mixed(test, chosen(low), chosen(low), 1.0)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _mean(test.usd, chosen(middle)) > usd else (low, middle)
    dear, cheap = _mean(test.usd, chosen(low)), _mean(test.usd, chosen(high))
    if cheap >= usd:
        return _mixed(test, chosen(high), chosen(high), 1.0)
    return _mixed(test, chosen(low), chosen(high), (usd - cheap) / (dear - cheap))


def _predicted(X: FloatArray, Y: FloatArray, asked: FloatArray) -> FloatArray:
    """Ridge about each arm's mean; shape (asked, arms)."""
    usual = Y.mean(axis=0)
    slopes = np.linalg.solve(X.T @ X + RIDGE * np.eye(X.shape[1]), X.T @ (Y - usual))
    predicted: FloatArray = usual + asked @ slopes
    return predicted


def _mean(values: FloatArray, arms: IntArray) -> float:
    return float(values[np.arange(len(arms)), arms].mean())


def _mixed(test: Split, dear: IntArray, cheap: IntArray, share: float) -> Hindsight:
    parts = [np.bincount(arms, minlength=len(test.arms)) / len(arms) for arms in (dear, cheap)]
    quality = share * _mean(test.quality, dear) + (1 - share) * _mean(test.quality, cheap)
    return Hindsight(quality, share * parts[0] + (1 - share) * parts[1])
