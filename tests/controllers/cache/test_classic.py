"""Which resident makes room."""

import pytest

from banditroute.controllers import (
    Adapter,
    LFUCache,
    LRUCache,
    PricedCache,
)
from tests.controllers.cache.residents import ADAPTERS, served


def test_least_recently_served_makes_room() -> None:
    cache = LRUCache(ADAPTERS, capacity=2, utility_per_second=0.3)
    assert served(cache) == ("arm 0", "arm 1")
    assert served(cache, 0) == ("arm 1", "arm 0")
    assert served(cache, 2) == ("arm 0", "arm 2")
    assert served(cache, 0, 3) == ("arm 0", "arm 3")


def test_least_often_served_makes_room() -> None:
    cache = LFUCache(ADAPTERS, capacity=2, utility_per_second=0.3)
    assert set(served(cache, 0, 0, 1, 2)) == {"arm 0", "arm 2"}
    assert set(served(cache, 2, 2, 3)) == {"arm 2", "arm 3"}


@pytest.mark.parametrize("kind", [LRUCache, LFUCache])
def test_what_is_too_large_passes_through(kind: type[PricedCache]) -> None:
    adapters = ADAPTERS | {"arm 2": Adapter(load_s=2.0, size=2.5)}
    cache = kind(adapters, capacity=2, utility_per_second=0.3)
    assert served(cache, 2) == ("arm 0", "arm 1")
