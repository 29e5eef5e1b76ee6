"""Exact integers of 95 bits in numpy: sums of products that do not fit into int64.

An outcome may be 1,000 times its scale, or 2²⁶ units of its grid; its square leaves int64 after 2,047 rows.
"""

from typing import Self

import numpy as np

from banditroute.core.arrays import FloatArray, IntArray
from banditroute.errors import InvalidArgumentError

_LOW_BITS = 32
_LOW = (1 << _LOW_BITS) - 1
_LARGEST_HIGH = 1 << 62
_LARGEST_NARROW = 1 << (63 - _LOW_BITS)


class WideIntegers:
    """An array of integers high · 2³² + low with 0 ≤ low < 2³²; equal integers have equal parts.

    Attributes:
        high, low: int64 arrays of the same shape.

    >>> total = WideIntegers.of(np.array([2**62])).plus(WideIntegers.of(np.array([2**62])))
    >>> total.plus(total).tolist()
    [18446744073709551616]
    """

    __slots__ = ("high", "low")
    __hash__ = None  # type: ignore[assignment]  # mutable

    def __init__(self, high: IntArray, low: IntArray) -> None:
        self.high = high
        self.low = low

    @classmethod
    def zeros(cls, shape: int | tuple[int, ...]) -> Self:
        """Return zeros of this shape."""
        return cls(np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64))

    @classmethod
    def of(cls, values: IntArray) -> Self:
        """Return the integers of an int64 array."""
        return cls(values >> _LOW_BITS, values & _LOW)

    @classmethod
    def sum_of_squares(cls, values: IntArray) -> Self:
        """Return Σ v² over the first axis of at most 2³⁰ values below 2³¹."""
        squares = values * values
        high, low = (squares >> _LOW_BITS).sum(axis=0), (squares & _LOW).sum(axis=0)
        return cls(high + (low >> _LOW_BITS), low & _LOW)

    @property
    def is_narrow(self) -> bool:
        """Whether all of them fit into int64."""
        return not self.high.size or bool(
            self.high.min() >= -_LARGEST_NARROW and self.high.max() < _LARGEST_NARROW
        )

    def narrow(self) -> IntArray:
        """Return them as int64; only if :attr:`is_narrow`."""
        return (self.high << _LOW_BITS) | self.low

    def plus(self, other: "WideIntegers", *, sign: int = 1) -> Self:
        """Return the sums or, with ``sign=-1``, the differences.

        Raises:
            InvalidArgumentError: if one of them would leave 95 bits (code ``sums.overflow``).
        """
        low = self.low + other.low if sign > 0 else self.low - other.low
        high = (self.high + other.high if sign > 0 else self.high - other.high) + (low >> _LOW_BITS)
        if high.size and not -_LARGEST_HIGH < high.min() <= high.max() < _LARGEST_HIGH:
            raise InvalidArgumentError("sums would leave 95 bits; nothing was added", code="sums.overflow")
        return type(self)(high, low & _LOW)

    def halved(self, times: int) -> Self:
        """Return 2⁻ᵏ of them, k = ``times``, each rounded to the nearest, halves up."""
        if not times:
            return self.copy()
        high, low, shift = self.high, self.low, times
        while shift > _LOW_BITS:
            high, low, shift = high >> _LOW_BITS, high & _LOW, shift - _LOW_BITS
        half = low >> (shift - 1) & 1
        low = (low >> shift) | (high << (_LOW_BITS - shift) & _LOW)
        high = high >> shift
        return type(self)(high, low).plus(WideIntegers.of(half))

    def as_floats(self) -> FloatArray:
        """Return the nearest floats."""
        return self.high.astype(np.float64) * 2.0**_LOW_BITS + self.low

    def copy(self) -> Self:
        """Return an independent copy."""
        return type(self)(self.high.copy(), self.low.copy())

    def any(self) -> bool:
        """Whether one of them is not 0."""
        return bool(self.high.any() or self.low.any())

    def tolist(self) -> list[object]:
        """Return nested lists of Python integers."""
        found: list[object] = (self.high.astype(object) * (1 << _LOW_BITS) + self.low.astype(object)).tolist()
        return found

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, WideIntegers):
            return NotImplemented
        return np.array_equal(self.high, other.high) and np.array_equal(self.low, other.low)

    def __repr__(self) -> str:
        return f"WideIntegers({self.tolist()})"
