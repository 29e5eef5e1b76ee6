"""Each check at its boundary: the last value that it accepts, and the first that it refuses."""

import math
from collections.abc import Callable
from typing import Any, cast

import pytest

from banditroute.core.validation import (
    require_bounds,
    require_integer,
    require_name,
    require_number,
    require_one_of,
    require_text,
)
from banditroute.errors import InvalidArgumentError

NAN, INF = math.nan, math.inf
TINY = 5e-324
BELOW_1 = math.nextafter(1.0, 0.0)
NO_NUMBERS = [INF, -INF, NAN, True, "1", None, 1j, [1]]

NUMBERS: list[tuple[dict[str, float], list[float], list[object], str]] = [
    ({}, [0, -1e308, 1e308], [], "a finite number"),
    ({"above": 0}, [TINY, 1, 1e308], [0, -TINY], "a finite number above 0"),
    ({"least": 0}, [0, 1e308], [-TINY], "a finite number, at least 0"),
    ({"below": 1}, [-1e308, BELOW_1], [1], "a finite number below 1"),
    ({"most": 1}, [-1e308, 1], [1.001], "a finite number, at most 1"),
    ({"above": 0, "below": 1}, [TINY, BELOW_1], [0, 1, -0.5], "a number in (0, 1)"),
    ({"above": 0, "most": 1}, [TINY, 1], [0, 1.001], "a number in (0, 1]"),
    ({"least": 0, "below": 1}, [0, BELOW_1], [-TINY, 1], "a number in [0, 1)"),
    ({"least": 1e-3, "most": 1e9}, [1e-3, 1e9], [9.99e-4, 1.001e9], "a number in [0.001, 1e+09]"),
]


@pytest.mark.parametrize(("limits", "accepted", "refused", "rule"), NUMBERS)
def test_a_number_within_its_limits(
    limits: dict[str, float], accepted: list[float], refused: list[object], rule: str
) -> None:
    for value in accepted:
        assert require_number("x", value, **limits) == value
    for other in [*refused, *NO_NUMBERS]:
        with pytest.raises(InvalidArgumentError) as caught:
            require_number("x", other, **limits)
        assert str(caught.value) == f"x = {other!r} must be {rule}"


@pytest.mark.parametrize(
    ("most", "accepted", "refused", "rule"),
    [(None, [1, 10**30], [0, -1], "an integer, at least 1"), (40, [1, 40], [0, 41], "an integer from 1 to 40")],
)
def test_an_integer_within_its_limits(
    most: int | None, accepted: list[int], refused: list[Any], rule: str
) -> None:
    for value in accepted:
        assert require_integer("x", value, least=1, most=most) == value
    for other in [*refused, 1.0, True, "1", None, NAN]:
        with pytest.raises(InvalidArgumentError) as caught:
            require_integer("x", other, least=1, most=most)
        assert str(caught.value) == f"x = {other!r} must be {rule}"


@pytest.mark.parametrize("bounds", [(1, 1), (2, 1), (1,), (1, 2, 3), "12", (0, INF), (0, True), None, NAN])
def test_bounds_that_are_no_interval(bounds: object) -> None:
    with pytest.raises(InvalidArgumentError, match=r"^x = .* must be a "):
        require_bounds("x", bounds)


def test_bounds() -> None:
    assert require_bounds("x", (1, 2.5)) == require_bounds("x", [1, 2.5]) == (1.0, 2.5)


@pytest.mark.parametrize(
    ("check", "rule"),
    [
        (lambda: require_name("x", ""), "x = '' must be a string that is not empty"),
        (lambda: require_name("x", b"x"), "x = b'x' must be a string that is not empty"),
        (lambda: require_one_of("x", "c", ("a", "b")), "x = 'c' must be 'a' or 'b'"),
        (lambda: require_one_of("x", None, ("a", "b", "c")), "x = None must be 'a', 'b' or 'c'"),
        (lambda: require_one_of("x", ["a"], ("a", "b")), "x = ['a'] must be 'a' or 'b'"),
        (lambda: require_text("x", "abc", longest=2), "x must be a string of at most 2 printable characters"),
        (lambda: require_text("x", "\n", longest=2), "x must be a string of at most 2 printable characters"),
        (
            lambda: require_text("x", cast("str", 7), longest=2),
            "x must be a string of at most 2 printable characters",
        ),
    ],
)
def test_texts_that_are_refused(check: Callable[[], object], rule: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        check()
    assert str(caught.value) == rule


def test_texts_that_are_accepted() -> None:
    assert require_name("x", "x") == "x"
    require_one_of("x", "a", ("a", "b"))
    require_text("x", None, longest=2)
    require_text("x", "ab", longest=2)


def test_a_long_value_is_cut() -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        require_number("x", "y" * 10_000)
    assert len(str(caught.value)) < 120
