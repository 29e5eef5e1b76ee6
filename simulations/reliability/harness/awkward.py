"""Values that callers should not give, and sometimes do."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, TypeVar

import numpy as np

Value = TypeVar("Value")


class NoNumber:
    """Looks like a number until somebody asks."""

    def __float__(self) -> float:
        raise ValueError("not today")


NUMBERS: Sequence[Any] = (
    0, 1, -1, 0.5, -0.0, 5e-324, -5e-324, 2.2e-308, 1e308, -1e308, float("nan"), float("inf"), float("-inf"),
    2**31, 2**53 + 1, 2**63, -(2**63) - 1, 2**64, 10**400, True, False,
    np.float16(0.5), np.float16("nan"), np.float32(0.25), np.float32("inf"), np.float64(0.125), np.longdouble(0.5),
    np.int8(-1), np.uint64(2**64 - 1), np.bool_(True), np.array(0.5), np.array([0.5]), np.array([0.5, 0.5]),
    np.complex64(1j), np.datetime64("2020-01-01"), np.str_("0.5"), Decimal("0.5"), Decimal("NaN"),
    Decimal("1e999"), Decimal("sNaN"), Fraction(1, 3), Fraction(10**400, 3), 1j, "0.5", "1_0", "nan", "",
    b"0.5", bytearray(b"1"),
    None, [], [0.5], (), {}, {"quality": 0.5}, set(), object(), NoNumber(), int, lambda: 0.5, range(3), ...,
)  # fmt: skip

TEXTS: Sequence[Any] = (
    "", " ", "x", "X" * 201, "x" * 1_000_000, "\ud800", "a\udfffb", "a\0b", "\0", "\n", "a\tb", "é", "ﬁ", "日本",
    "\u202e", "\u200b", "\U0001f600", "'; DROP TABLE br_arm; --", "%s", "{0}", "\\", "small\n", " small", "SMALL",
    "quality", "self", "None", np.str_("small"), b"small", bytearray(b"small"), 0, 1.5, float("nan"), True, None,
    [], ["small"], ("small",), {"small": 1}, {1}, object(), NoNumber(), np.array(["small", "large"]), str, ...,
)  # fmt: skip

VECTORS: Sequence[Any] = (
    [], [0.1], [0.1, 0.2], [0.1] * 4, [0.1] * 5000, [[0.1, 0.2, 0.3]], [[0.1], [0.2, 0.3]], 0.5, np.array(0.5),
    [0.1, float("nan"), 0.3], [0.1, float("inf"), 0.3], [1e308, -1e308, 1e308], [4.0000001, 0, 0],
    [5e-324, -0.0, 0],
    [2**63, 0, 0], [10**400, 0, 0], [True, False, True], ["0.1", "0.2", "0.3"], "abc", b"abc", [None, 0.1, 0.2],
    [1j, 0, 0], [object(), 0, 0], [NoNumber(), 0, 0], [Decimal("0.1")] * 3, [Fraction(1, 3)] * 3, {0.1, 0.2, 0.3},
    {"a": 1.0, "b": 2.0, "c": 3.0}, {}, None, ..., range(3), range(10**5), (i for i in range(3)), lambda: 0,
    np.zeros(3, dtype=np.float16), np.full(3, np.nan, dtype=np.float32), np.zeros(3, dtype=np.uint8),
    np.zeros(3, dtype="datetime64[s]"), np.zeros(3, dtype=[("a", float)]), np.zeros(3, dtype=object),
    np.zeros((3, 1)), np.zeros((1, 3)), np.zeros((0, 3)), np.zeros(0), np.zeros((2, 2, 3)),
    np.array(["a", "b", "c"]),
    np.ma.masked_invalid([0.1, np.nan, 0.3]), np.full(3, 0.1, dtype=np.longdouble), memoryview(b"abc"),
    np.zeros(6)[::2], np.zeros(3)[::-1], np.broadcast_to(0.5, 3), bytearray(b"abc"), 7, True, NoNumber(),
)  # fmt: skip

MAPPINGS: Sequence[Any] = (
    {}, {"quality": 0.0}, {"quality": -1.0}, {"quality": float("nan")}, {"quality": float("inf")}, {"speed": 1.0},
    {"quality": 1e308, "cost_usd": 1e308}, {"quality": 5e-324}, {"quality": 10**400}, {"quality": "1"}, {1: 1.0},
    {"quality": None}, {"quality": True}, {"quality": np.float16(1)}, {"quality": [1.0]}, {None: 1}, {"\ud800": 1},
    {"quality": NoNumber()}, {"quality": np.array([1.0, 2.0])}, [("quality", 1.0)], "quality", None, 1.0, ...,
    {"x" * 1_000_000: 1.0}, {"a\nb": 1.0}, {"quality": Decimal("1")}, {"quality": 1j}, {("a",): 1}, NoNumber(),
)  # fmt: skip

TIMES: Sequence[Any] = (
    None, datetime(1970, 1, 1, tzinfo=UTC), datetime(1, 1, 1, tzinfo=UTC), datetime.max.replace(tzinfo=UTC),
    datetime(2024, 1, 1), 0, 1e18, "2024-01-01", float("nan"), ..., np.datetime64("2024-01-01"),
)  # fmt: skip


class Dice:
    """Draws values, awkward ones as often as is said."""

    def __init__(self, seed: int, *, awkward: float) -> None:
        self._random = random.Random(seed)  # noqa: S311  (no secrets)
        self._share = awkward

    def some(self, good: Sequence[Any], bad: Sequence[Any]) -> Any:
        """A good value or a bad one."""
        return self._random.choice(bad if self._random.random() < self._share else good)

    def of(self, values: Sequence[Value]) -> Value:
        """One of them."""
        return self._random.choice(values)

    def maybe(self, share: float) -> bool:
        """Yes, in that share of cases."""
        return self._random.random() < share
