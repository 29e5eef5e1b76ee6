"""Numbers from Python, numpy, data frames, files and other people's classes."""

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from banditroute.core.numbers import as_integer, as_real, from_text


class Hostile:
    """A value whose conversion raises an error of its own."""

    def __float__(self) -> float:
        raise RuntimeError("no")

    def __index__(self) -> int:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (1, 1.0),
        (True, 1.0),
        (np.bool_(True), 1.0),
        (np.float32(0.5), 0.5),
        (np.float16(0.5), 0.5),
        (np.int64(-3), -3.0),
        (np.uint8(200), 200.0),
        (Decimal("0.0045"), 0.0045),
        (Fraction(1, 4), 0.25),
    ],
)
def test_real_numbers(value: Any, number: float) -> None:
    assert as_real(value) == number
    assert type(as_real(value)) is float


@pytest.mark.parametrize(
    "value",
    ["1", b"1", None, object(), 1j, np.complex128(1), np.ones(1), np.ones(2), [1.0], 10**400, Hostile()],
)
def test_what_is_no_real_number(value: Any) -> None:
    assert as_real(value) is None


def test_integers() -> None:
    assert [as_integer(value) for value in (7, np.int32(7), np.uint64(2**63))] == [7, 7, 2**63]
    for value in (
        True,
        np.bool_(True),
        7.0,
        np.float64(7),
        Decimal(7),
        "7",
        None,
        Hostile(),
        np.ones(2, dtype=int),
    ):
        assert as_integer(value) is None


def test_texts_of_files() -> None:
    texts = {"1": 1.0, " -2.5e-3 ": -0.0025, "True": 1.0, "FALSE": 0.0, "false": 0.0}
    assert {text: from_text(text) for text in texts} == texts
    assert math.isnan(from_text("  ") or 0.0)
    assert [from_text(text) for text in ("1_0", "1,5", "x", "1 2", "0x10", "None")] == [None] * 6
