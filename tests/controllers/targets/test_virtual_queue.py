"""The virtual queue, by hand and against the sum."""

import numpy as np
import pytest

from banditroute.controllers.targets.virtual_queue import VirtualQueue


def test_a_queue_by_hand() -> None:
    queue = VirtualQueue(step=0.3)
    for excess, debt in ((0.9, 0.9), (-0.1, 0.8), (-2.0, 0.0), (0.9, 0.9), (0.9, 1.8)):
        queue.take(excess)
        assert queue.debt == pytest.approx(debt)
        assert queue.price == pytest.approx(0.3 * debt)
    assert [queue.forced(slack) for slack in (2.0, 1.2, 0.5)] == pytest.approx([0.0, 0.5, 0.95])


def test_a_queue_is_never_shorter_than_the_sum() -> None:
    """So that what is in it bounds by how much the constraint is broken."""
    rng = np.random.default_rng(1)
    queue, total = VirtualQueue(step=1.0), 0.0
    for excess in rng.normal(0.0, 1.0, 500).tolist():
        queue.take(excess)
        total += excess
        assert queue.debt >= total - 1e-9
