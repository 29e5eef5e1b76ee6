"""Settings of the detectors."""

import pytest

from banditroute.controllers import ADWIN, PageHinkley
from banditroute.errors import InvalidArgumentError


@pytest.mark.parametrize("wrong", [{"delta": 0.0}, {"delta": 1.0}, {"clock": 0}])
def test_windows_are_checked(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidArgumentError, match=next(iter(wrong))):
        ADWIN(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [{"delta": -0.1}, {"threshold": 0.0}, {"threshold": float("inf")}])
def test_cumulative_sums_are_checked(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidArgumentError, match=next(iter(wrong))):
        PageHinkley(**wrong)
