"""Targets by hand and over long runs: what counts, what is late, and what is refused."""

from typing import Any

import numpy as np
import pytest

from banditroute.controllers import Average, Latency, Shares, Within
from banditroute.errors import InvalidArgumentError
from tests.controllers.lives import Life, a_situation, choice_of_the_best, stubborn


def test_a_target_by_hand() -> None:
    """p = 0.8, two arms; expected use of an arm with k of n beyond the line is (k + 4 c) / (n + 4)."""
    target = Latency(p=0.8, seconds=2.0, step=0.1)
    life = Life(target)
    given = a_situation("ab", [0.9, 0.8])
    assert target.expected(given) == pytest.approx([0.2, 0.2])
    first = life.step(given)
    assert first.arm == "a"
    assert target.debt == pytest.approx(0.0)  # it counts with what is expected, which is what is allowed
    life.report(first, latency_s=2.5)
    common = (1 + 4 * 0.2) / (1 + 4)
    assert target.expected(given) == pytest.approx([(1 + 4 * common) / 5, common])
    assert target.debt == pytest.approx(1.0 - 0.2)
    assert target.price == pytest.approx(0.1 / 0.2 * 0.8)
    price = target.price * 1.5  # in units of the preferences' sum
    gap = price * ((1 + 4 * common) / 5 - common)
    assert (life.step(given).arm == "b") == (gap > 0.1)
    assert target.effects(given)["price"] == target.price


def test_on_the_line_is_within() -> None:
    assert Latency(p=0.9, seconds=2.0).used(2.0) == 0.0
    assert Within("quality", share=0.9, at_least=0.5).used(0.5) == 0.0
    assert Within("quality", share=0.9, at_least=0.5).used(0.4999) == 1.0


def test_late_amended_and_retracted_outcomes_end_where_prompt_ones_do() -> None:
    given = a_situation("ab")
    prompt, late = Life(Latency(p=0.5, seconds=2.0), stubborn), Life(Latency(p=0.5, seconds=2.0), stubborn)
    prompt_target, late_target = prompt.controller, late.controller
    assert isinstance(prompt_target, Latency)
    assert isinstance(late_target, Latency)
    for _ in range(3):
        prompt.report(prompt.step(given), latency_s=9.0)
    records = [late.step(given) for _ in range(3)]
    for record in records:
        late.report(record, latency_s=9.0)
    assert late_target.debt == pytest.approx(prompt_target.debt) == pytest.approx(1.5)
    late.report(records[0], previous=True, latency_s=1.0)
    assert late_target.debt == pytest.approx(0.5)
    late.report(records[1])
    assert late_target.debt == pytest.approx(0.0)
    late.report(records[1])  # taken back again: nothing more
    assert late_target.debt == pytest.approx(0.0)


def test_outcomes_of_other_groups_are_nothing_to_a_target() -> None:
    target = Latency(p=0.5, seconds=2.0)
    life = Life(target)
    record = life.step(a_situation("ab"))
    life.report(record, quality=0.1)
    before = target.state()
    life.report(record)  # the quality is taken back
    assert target.state() == before


def with_history(target: Any, requests: int, choice: Any, late: int = 0) -> tuple[float, float]:
    """Share of slow answers and of arm a, of which 40 % are slow; b never is. a is much better, c no use."""
    rng = np.random.default_rng(3)
    life = Life(target, choice)
    slow, waiting = 0, []
    for _ in range(requests):
        record = life.step(a_situation("abc", [0.9, 0.6, 0.1]))
        is_slow = record.arm == "a" and rng.random() < 0.4
        slow += is_slow
        waiting.append((record, 3.0 if is_slow else 1.0))
        if len(waiting) > late:
            answered, seconds = waiting.pop(0)
            life.report(answered, latency_s=seconds)
    return slow / requests, sum(d.arm == "a" for d in life.decisions) / requests


@pytest.mark.parametrize("late", [0, 40])
def test_a_latency_target_holds_and_is_used_up(late: int) -> None:
    """10 % may be slow, so that a may serve a quarter: nearly all of that is used."""
    slow, share = with_history(Latency(p=0.9, seconds=2.0), 1500, choice_of_the_best, late)
    assert slow <= 0.11
    assert 0.2 <= share <= 0.29


def test_a_policy_that_does_not_look_at_prices_is_held_all_the_same() -> None:
    slow, _ = with_history(Latency(p=0.9, seconds=2.0), 1500, stubborn)
    assert slow <= 0.11


def test_control_without_a_target_both_are_slow() -> None:
    for choice in (choice_of_the_best, stubborn):
        slow, share = with_history(Latency(p=0.9, seconds=2.0, step=1e-9, slack=1e9), 300, choice)
        assert slow > 0.3
        assert share > 0.95


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda: Latency(p=1.0, seconds=2.0), r"p = 1.0 must be a number in \(0, 1\)"),
        (lambda: Latency(p=0.9, seconds=float("nan")), "seconds = nan must be a finite number"),
        (lambda: Latency(p=0.9, seconds=2.0, slack=0.0), "slack = 0.0 must be a finite number above 0"),
        (lambda: Latency(p=0.9, seconds=2.0, step=-1.0), "step = -1.0 must be a finite number above 0"),
        (lambda: Latency(p=0.9, seconds=2.0, name=""), "name = '' must be a string that is not empty"),
        (lambda: Within("quality", share=0.9), "give one of at_most = None and at_least = None"),
        (lambda: Within("quality", share=0.9, at_most=1, at_least=0), "give one of at_most = 1 and at_least = 0"),
        (lambda: Average("quality", at_least=1.5), "the line 1.5 must lie between the bounds 0 and 1"),
        (lambda: Average("quality", at_least=0.5, bounds=(1.0, 0.0)), "the lower first"),
        (lambda: Shares(), "Shares needs the share of an arm, in min or in max"),
        (lambda: Shares(min={"a": 1.5}), "min share of arm 'a' = 1.5 must be a number in"),
        (lambda: Shares(min={"a": 0.6, "b": 0.5}), "min shares sum to 1.1, which is more than 1"),
        (lambda: Shares(min={"a": 0.6}, max={"a": 0.5}), "min share of arm 'a' = 0.6 is above its max = 0.5"),
    ],
)
def test_wrong_settings_are_refused(wrong: Any, words: str) -> None:
    with pytest.raises(InvalidArgumentError, match=words):
        wrong()
