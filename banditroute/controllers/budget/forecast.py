"""Forecasts a request's cost with each arm: the level of the arm times the shape of the request.

Arms differ by factors of hundreds, so they cannot share one linear model of cost. But a request that is long with
one arm is long with the others: one ridge regression over all arms predicts its cost relative to the arm's level.
"""

import base64
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from banditroute.core.arrays import FloatArray, RowArray, from_feature_row

RIDGE = 32.0
_SLOW, _FAST = 0.995, 0.8
_CONTRADICTION, _ENOUGH = 3.0, 8
# Costs have heavy tails: a single cost of ten times the usual does not mean a new price. Costs are cut at this
# multiple of the usual, so it takes four to eight high costs in a row to give up the old level.
_CREDIBLE = 5.0
_LEAST, _MOST = 0.1, 10.0


class _Level(NamedTuple):
    """Discounted sums of one arm.

    Attributes:
        amount, shape: Discounted sums of costs and of request shapes.
        late, late_shape: The same sums over the last few costs.
        credible: As ``late``, with outliers cut.
        receipts: Number of costs since the level was last reset.
    """

    amount: float
    shape: float
    late: float
    late_shape: float
    credible: float
    receipts: int

    @property
    def usual(self) -> float:
        return self.amount / self.shape

    def after(self, amount: float, shape: float) -> "_Level":
        usual = self.usual if self.amount else amount / shape
        level = _Level(
            _SLOW * self.amount + amount,
            _SLOW * self.shape + shape,
            _FAST * self.late + amount,
            _FAST * self.late_shape + shape,
            _FAST * self.credible + min(amount, _CREDIBLE * usual * shape),
            self.receipts + 1,
        )
        lately = level.credible / level.late_shape
        if level.receipts <= _ENOUGH or usual / _CONTRADICTION <= lately <= usual * _CONTRADICTION:
            return level
        return _Level(level.late, level.late_shape, level.late, level.late_shape, level.late, 0)


_NOTHING = _Level(0.0, 0.0, 0.0, 0.0, 0.0, 0)


class Forecast:
    """Forecasts the cost in one resource.

    The level of an arm is a ratio of discounted sums, Σ cost / Σ shape. If its last costs, with outliers cut,
    differ from the level by a factor of three (an unannounced change of price), the older costs are dropped. If
    the tail is so heavy that few costs dominate the mean (a log-normal with σ above 1.25), a run of low costs
    looks like a lower price, and the level is about ten per cent too low.
    """

    def __init__(self) -> None:
        self._levels: dict[str, _Level] = {}
        self._gram: FloatArray | None = None
        self._cross: FloatArray = np.zeros(0)
        self._slopes: FloatArray | None = None
        self._receipts = 0
        self._due = _ENOUGH

    def shape(self, X: FloatArray) -> FloatArray:
        """Return the cost of requests relative to the arm's level; shape (contexts,) for (contexts, d)."""
        if self._slopes is None:
            return np.ones(len(X))
        return np.asarray(np.clip(1.0 + X @ self._slopes, _LEAST, _MOST))

    def level(self, arm: str) -> float | None:
        """Return the arm's usual cost; None before its first cost."""
        level = self._levels.get(arm)
        return None if level is None else level.usual

    def learn(self, arm: str, row: RowArray, consumed: float) -> None:
        """Add the cost of one request."""
        x = from_feature_row(row)
        shape = float(self.shape(x[np.newaxis])[0])
        amount = max(consumed, 0.0)
        level = self._levels[arm] = self._levels.get(arm, _NOTHING).after(amount, shape)
        self._receipts += 1
        if level.usual > 0:
            self._learn_shape(x, min(amount / level.usual, _MOST) - 1.0)

    def _learn_shape(self, x: FloatArray, relative: float) -> None:
        if self._gram is None:
            self._gram, self._cross = np.zeros((len(x), len(x))), np.zeros(len(x))
        self._gram += np.outer(x, x)
        self._cross += relative * x
        if self._receipts >= self._due:
            self._due = max(self._receipts + 1, self._receipts * 9 // 8)
            V = self._gram + RIDGE * np.eye(len(x))
            self._slopes = np.asarray(np.linalg.solve(V, self._cross), dtype=np.float64)

    def state(self) -> Mapping[str, Any]:
        """Return levels, the sums of the shape regression as base64 of float64, and its current slopes."""
        return {
            "levels": {arm: [*level] for arm, level in self._levels.items()},
            "gram": _text(self._gram),
            "cross": _text(self._cross),
            "slopes": _text(self._slopes),
            "receipts": self._receipts,
            "due": self._due,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from the result of :meth:`state`."""
        self._levels = {arm: _Level(*level) for arm, level in state["levels"].items()}
        cross, gram = _numbers(state["cross"]), _numbers(state["gram"])
        assert cross is not None
        self._cross = cross
        self._gram = None if gram is None else gram.reshape(len(cross), len(cross))
        self._slopes = _numbers(state["slopes"])
        self._receipts, self._due = state["receipts"], state["due"]


def expected(
    forecasts: Sequence[Forecast],
    arms: Sequence[str],
    X: FloatArray | None,
    otherwise: FloatArray,
    factors: FloatArray,
) -> FloatArray:
    """Return the expected cost; shape (contexts, arms, resources).

    Args:
        forecasts: One per resource.
        arms: Names of the arms.
        X: Contexts; shape (contexts, d). None for one unknown context, which has the usual shape.
        otherwise: Expected cost of arms without a reported cost; shape (arms, resources). Where it is NaN, the
            mean of the other arms.
        factors: Price factors of the arms; broadcasts to (arms, resources).
    """
    result = np.empty((1 if X is None else len(X), len(arms), len(forecasts)))
    result[...] = otherwise
    factors = np.broadcast_to(factors, otherwise.shape)
    for j, forecast in enumerate(forecasts):
        shape = np.ones(1) if X is None else forecast.shape(X)
        levels = np.array([forecast.level(arm) for arm in arms], dtype=np.float64)
        known = ~np.isnan(levels)
        result[:, known, j] = np.outer(shape, (levels * factors[:, j])[known])
        missing = np.isnan(result[0, :, j])
        if missing.any():
            others = result[:, ~missing, j]
            result[:, missing, j] = others.mean(axis=1, keepdims=True) if others.size else 0.0
    return result


def _text(array: FloatArray | None) -> str | None:
    return None if array is None else base64.b64encode(array.astype("<f8").tobytes()).decode()


def _numbers(text: str | None) -> FloatArray | None:
    return None if text is None else np.frombuffer(base64.b64decode(text), "<f8").copy()
