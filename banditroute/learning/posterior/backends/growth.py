"""Arrays that grow by doubling, so that appending n arms one by one copies O(n) numbers."""

import numpy as np

from banditroute.core.arrays import FloatArray


def with_capacity(store: FloatArray, used: int, wanted: int) -> FloatArray:
    """Return ``store`` with room for ``wanted`` items along its first axis; the first ``used`` items are kept.

    The other items are not initialised.
    """
    if wanted <= len(store):
        return store
    grown = np.empty((max(wanted, 2 * len(store)), *store.shape[1:]), dtype=store.dtype)
    grown[:used] = store[:used]
    return grown
