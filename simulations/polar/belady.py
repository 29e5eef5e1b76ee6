"""Belady's clairvoyant cache: the utility of a cache that knows all future requests."""

from collections.abc import Sequence

import numpy as np

from banditroute.core.arrays import FloatArray, IntArray


def belady(worth: FloatArray, miss: FloatArray, residents: Sequence[int], slots: int) -> FloatArray:
    """Net utility when the means are known, each request goes to its best adapter, and all of the future is seen.

    What is absent is loaded, unless it is needed again later than all that is held: then it passes through. It is
    the fewest loads with which these demands can be met (Belady, "A study of replacement algorithms for a
    virtual-storage computer", 1966), and a bound for caches behind a router that does not know of them. A router
    that is content with a second best need not pay for every demand, and may earn more.

    Args:
        worth: Expected utility; shape (requests, adapters).
        miss: Price of a load; shape (adapters,).
        residents: What is held at first.
        slots: How many can be.
    """
    demands = worth.argmax(axis=1)
    again = _next_use(demands, worth.shape[1])
    first = {int(arm): t for t, arm in reversed(list(enumerate(demands)))}
    # Arm → when it is asked for next.
    held = {arm: first.get(arm, len(demands)) for arm in residents}
    net: FloatArray = worth[np.arange(len(worth)), demands].copy()
    for t, arm in enumerate(demands.tolist()):
        if arm not in held:
            net[t] -= miss[arm]
            if len(held) >= slots:
                latest = max(held, key=held.__getitem__)
                if held[latest] <= again[t]:
                    continue
                del held[latest]
        held[arm] = int(again[t])
    return net


def _next_use(demands: IntArray, arms: int) -> IntArray:
    """When each demand comes again; shape (requests,)."""
    upcoming = np.full(arms, len(demands))
    again = np.empty(len(demands), dtype=np.int64)
    for t in range(len(demands) - 1, -1, -1):
        again[t] = upcoming[demands[t]]
        upcoming[demands[t]] = t
    return again
