"""Shares of arms, by hand and over long runs."""

from typing import Any

import pytest

from banditroute.controllers import Shares
from tests.controllers.lives import Life, a_situation, choice_of_the_best, stubborn, without


@pytest.mark.parametrize("choice", [choice_of_the_best, stubborn])
def test_shares_hold_for_any_policy(choice: Any) -> None:
    life = Life(Shares(min={"b": 0.3, "c": 0.1}, max={"a": 0.45}), choice)
    for number in range(1, 1201):
        life.step(a_situation("abcd", [0.9, 0.6, 0.5, 0.4]))
        if number >= 1000:
            served = [sum(d.arm == arm for d in life.decisions) / number for arm in "abc"]
            assert served[0] <= 0.46
            assert served[1] >= 0.29
            assert served[2] >= 0.09


def test_a_least_share_is_taken_where_it_costs_least() -> None:
    """Every fifth request b is nearly as good as a; with a share of a fifth it serves those."""
    life = Life(Shares(min={"b": 0.2}))
    for number in range(600):
        life.step(a_situation("ab", [0.9, 0.85 if number % 5 == 0 else 0.2]))
    later = life.decisions[200:]
    hits = sum(d.arm == "b" for d in later if (d.number - 1) % 5 == 0)
    assert hits / 80 >= 0.9
    assert sum(d.arm == "b" for d in later) <= 90


def test_a_least_share_counts_requests_that_the_arm_may_serve() -> None:
    shares = Shares(min={"b": 0.5})
    life = Life(shares)
    given = a_situation("ab", [0.9, 0.1])
    for _ in range(10):
        life.step(without(given, "b"))
    assert shares.state()["least"] == {"b": 0.0}
    life.step(given, arm="a")
    assert shares.state()["least"] == {"b": 0.5}
    assert shares.effects(given)["least"]["b"]["price"] == pytest.approx(0.05)


def test_an_arm_exceeds_its_maximum_share_where_no_other_is_eligible() -> None:
    life = Life(Shares(max={"a": 0.1}))
    given = without(a_situation("ab"), "b")
    for _ in range(60):
        assert life.step(given).arm == "a"
    given = a_situation("ab", [0.9, 0.1])
    assert sum(life.step(given).arm == "a" for _ in range(60)) <= 10
