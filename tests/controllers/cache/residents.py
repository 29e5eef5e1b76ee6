"""Four arms with adapters, and a cache after some requests."""

from banditroute.controllers import (
    Adapter,
    PricedCache,
)
from banditroute.testing.controllers import life

ARMS = ("arm 0", "arm 1", "arm 2", "arm 3")
ADAPTERS = {arm: Adapter(load_s=2.0, host_load_s=0.5) for arm in ARMS}


def served(cache: PricedCache, *numbers: int) -> tuple[str, ...]:
    """Residents after these arms served."""
    step = life(ARMS, 1)[0]
    for number in numbers:
        object.__setattr__(step.decision, "arm", f"arm {number}")
        cache.decided(step.decision, step.predict)
    return cache.resident
