"""Each of several values is refused with one sentence."""

import math
from collections.abc import Callable
from typing import Any

import pytest

from banditroute.errors import InvalidArgumentError

NAN, INF = math.nan, math.inf


def refused(make: Callable[..., object], sentence: str, *values: Any) -> None:
    for value in values:
        with pytest.raises(InvalidArgumentError, match=sentence):
            make(value)
