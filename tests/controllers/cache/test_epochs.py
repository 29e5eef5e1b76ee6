"""Lengths of epochs, and how many requests they force."""

import numpy as np
import pytest

from banditroute.controllers import (
    DoublingEpochs,
    EpochCache,
    FixedEpochs,
)
from banditroute.errors import InvalidArgumentError
from tests.controllers.cache.residents import ADAPTERS


def test_doubling_epochs_force_in_the_order_of_the_root() -> None:
    """Σ_e c √(N L_e) is at most c √(r N T) (√2 + 1), for T requests in whole runs of r epochs of a length."""
    for arms in (3, 8, 40):
        for epochs in (
            DoublingEpochs(first=64, forced=0.8, repeats=1),
            DoublingEpochs(),
            DoublingEpochs(50, 0.3, 3),
        ):
            count = 10 * epochs.repeats
            lengths = [epochs.length(epoch) for epoch in range(count)]
            assert lengths == [epochs.first * 2 ** (epoch // epochs.repeats) for epoch in range(count)]
            shares = [epochs.forced_share(epoch, arms) for epoch in range(count)]
            assert all(0 <= share <= 1 for share in shares)
            forced, order = float(np.dot(shares, lengths)), np.sqrt(epochs.repeats * arms * sum(lengths))
            assert 0.9 * epochs.forced * order <= forced <= epochs.forced * order * (np.sqrt(2) + 1)


def test_fixed_epochs_force_nothing() -> None:
    assert [FixedEpochs(7).length(epoch) for epoch in (0, 5)] == [7, 7]
    assert FixedEpochs(7).forced_share(3, 9) == 0.0


@pytest.mark.parametrize("wrong", [0, -1, True, 2.5, "3"])
def test_lengths_are_counts(wrong: int) -> None:
    with pytest.raises(InvalidArgumentError, match="must be an integer, at least 1"):
        FixedEpochs(wrong)
    with pytest.raises(InvalidArgumentError, match="must be an integer, at least 1"):
        DoublingEpochs(first=wrong)
    with pytest.raises(InvalidArgumentError, match="must be an integer, at least 1"):
        DoublingEpochs(repeats=wrong)
    with pytest.raises(InvalidArgumentError, match="must be an integer, at least 1"):
        EpochCache(ADAPTERS, capacity=2, utility_per_second=0.1, window=wrong)
