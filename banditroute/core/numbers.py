"""One conversion for every number that comes in: from Python, numpy, a data frame, a file or a database."""

import operator

import numpy as np


def as_real(value: object) -> float | None:
    """Return ``value`` as a float; None for text, complex numbers, and anything else that is no real number.

    Integers and floats of Python and numpy, booleans, ``Decimal`` and ``Fraction`` are real numbers. An error that
    the object's own conversion raises means that it is none.

    >>> from decimal import Decimal
    >>> as_real(np.float32(0.25)), as_real(Decimal("0.5")), as_real(True)
    (0.25, 0.5, 1.0)
    >>> as_real("0.25"), as_real(1j), as_real(10**400)
    (None, None, None)
    """
    if type(value) is float:
        return value
    if isinstance(value, _NO_NUMBERS) or not hasattr(value, "__float__"):
        return None
    try:
        return float(value)
    except Exception:  # noqa: BLE001  (a conversion of someone else's, which may raise anything)
        return None


def as_integer(value: object) -> int | None:
    """Return ``value`` as an int; None for booleans, floats, and anything else that is no integer.

    >>> as_integer(np.int64(7)), as_integer(7.0), as_integer(True)
    (7, None, None)
    """
    if isinstance(value, bool | np.bool_) or not hasattr(value, "__index__"):
        return None
    try:
        return operator.index(value)
    except Exception:  # noqa: BLE001  (as above; an array of several elements has no index either)
        return None


def from_text(text: str) -> float | None:
    """Return the number that a text file holds in one cell; NaN for an empty one, None for anything else.

    ``True`` and ``False`` are 1 and 0, in any case of letters. Python's underscores are refused.

    >>> from_text(" 0.5 "), from_text("True"), from_text("1_0"), from_text("half")
    (0.5, 1.0, None, None)
    """
    text = text.strip()
    if not text:
        return float("nan")
    if text.lower() in _BOOLEANS:
        return _BOOLEANS[text.lower()]
    if "_" in text:
        return None
    try:
        return float(text)
    except ValueError:
        return None


# A complex number of numpy gives its real part, and warns; an array of one element gives that element.
_NO_NUMBERS = (str, bytes, bytearray, np.complexfloating, np.ndarray, np.datetime64, np.timedelta64)
_BOOLEANS = {"true": 1.0, "false": 0.0}
