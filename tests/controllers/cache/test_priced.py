"""Prices of misses, and the first residents."""

import numpy as np
import pytest

from banditroute.controllers import (
    StaticCache,
)
from banditroute.core.arrays import FloatArray
from banditroute.core.situation import Situation
from banditroute.errors import InvalidArgumentError
from banditroute.testing import situation
from banditroute.testing.controllers import softmax
from tests.controllers.cache.residents import ADAPTERS


def test_the_price_of_a_miss() -> None:
    cache = StaticCache(ADAPTERS, capacity=2, utility_per_second=0.3, initial=["arm 1", "arm 3"])
    given = situation(3, 4, 2, eligible=np.ones(4, dtype=bool))
    seen: list[FloatArray] = []

    def choice(asked: Situation) -> FloatArray:
        seen.append(asked.utility())
        return softmax(asked)

    cache.control(given, choice)
    np.testing.assert_allclose(seen[0], given.utility() - np.array([0.6, 0, 0.6, 0]), rtol=0, atol=1e-15)
    assert cache.effects(given) == {"resident": ["arm 1", "arm 3"], "miss_cost": {"arm 0": 0.6, "arm 2": 0.6}}


def test_initial_residents() -> None:
    with pytest.raises(InvalidArgumentError, match="initial names 'unknown'"):
        StaticCache(ADAPTERS, capacity=2, utility_per_second=0.1, initial=["unknown"])
    cache = StaticCache(ADAPTERS, capacity=2, utility_per_second=0.1, initial=["arm 3", "arm 3", "arm 1", "arm 0"])
    assert cache.resident == ("arm 3", "arm 1")
