"""Arguments that several commands share."""

import pytest

from banditroute.cli.arguments import bounds, policies, weights
from banditroute.errors import InvalidArgumentError


def test_arguments_are_parsed() -> None:
    assert weights(" quality = 1 , cost_usd=3e-1") == {"quality": 1.0, "cost_usd": 0.3}
    assert bounds(["a=-1:2.5"]) == {"a": (-1.0, 2.5)}
    assert list(policies(["lints", "greedy", "uniform"])) == ["lints", "greedy", "uniform"]
    with pytest.raises(InvalidArgumentError):
        weights("")
