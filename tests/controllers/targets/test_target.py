"""Targets and shares, by hand and over long lives."""

from typing import Any

import numpy as np
import pytest

from banditroute.controllers import Average, Latency, PerCohort, Shares, Within
from banditroute.controllers.pending import MAX_PENDING, PendingOutcomes
from banditroute.controllers.targets.virtual_queue import VirtualQueue
from banditroute.errors import InvalidArgumentError
from tests.controllers.lives import Life, a_situation, certain, stubborn, without


def test_a_queue_by_hand() -> None:
    queue = VirtualQueue(step=0.3)
    for excess, debt in ((0.9, 0.9), (-0.1, 0.8), (-2.0, 0.0), (0.9, 0.9), (0.9, 1.8)):
        queue.take(excess)
        assert queue.debt == pytest.approx(debt)
        assert queue.price == pytest.approx(0.3 * debt)
    assert [queue.forced(slack) for slack in (2.0, 1.2, 0.5)] == pytest.approx([0.0, 0.5, 0.95])


def test_a_queue_is_never_shorter_than_the_sum() -> None:
    """So that what is in it bounds by how much the constraint is broken."""
    rng = np.random.default_rng(1)
    queue, total = VirtualQueue(step=1.0), 0.0
    for excess in rng.normal(0.0, 1.0, 500).tolist():
        queue.take(excess)
        total += excess
        assert queue.debt >= total - 1e-9


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


def lived(target: Any, requests: int, choice: Any, late: int = 0) -> tuple[float, float]:
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
    slow, share = lived(Latency(p=0.9, seconds=2.0), 1500, choice_of_the_best, late)
    assert slow <= 0.11
    assert 0.2 <= share <= 0.29


def test_a_policy_that_does_not_look_at_prices_is_held_all_the_same() -> None:
    slow, _ = lived(Latency(p=0.9, seconds=2.0), 1500, stubborn)
    assert slow <= 0.11


def test_control_without_a_target_both_are_slow() -> None:
    for choice in (choice_of_the_best, stubborn):
        slow, share = lived(Latency(p=0.9, seconds=2.0, step=1e-9, slack=1e9), 300, choice)
        assert slow > 0.3
        assert share > 0.95


def choice_of_the_best(given: Any) -> Any:
    """The best arm, and all others a little."""
    best = int(np.where(given.eligible, given.utility(), -np.inf).argmax())
    return 0.98 * certain(given, given.arms[best]) + 0.02 * given.eligible / given.eligible.sum()


def test_an_average_by_hand() -> None:
    """Use is the distance from the better bound; what is believed of an arm is what it is expected to use."""
    target = Average("latency_s", at_most=6.0, bounds=(0.0, 20.0), step=0.3)
    assert target.allowed == pytest.approx(0.3)
    assert [target.used(value) for value in (0.0, 5.0, 40.0)] == pytest.approx([0.0, 0.25, 1.0])
    given = a_situation("ab")
    given.mean[:, 2] = [0.5, 0.1]  # of the objective's own bounds, 30 s
    assert target.expected(given) == pytest.approx([0.75, 0.15])
    better = Average("quality", at_least=0.8)
    assert better.allowed == pytest.approx(0.2)
    assert better.expected(a_situation("ab", [0.9, 0.25])) == pytest.approx([0.1, 0.75])


def test_an_average_is_kept() -> None:
    """b is dear, so a serves as often as the average of quality allows: (0.8 − 0.4) / (0.9 − 0.4) of b."""
    target = Average("quality", at_least=0.8)
    life = Life(target)
    total = 0.0
    for _ in range(1000):
        given = a_situation("ab", [0.4, 0.9])
        given.mean[:, 1] = [0.0, 1.5]
        record = life.step(given)
        quality = {"a": 0.4, "b": 0.9}[record.arm]
        total += quality
        life.report(record, quality=quality)
    assert total / 1000 >= 0.79
    assert np.mean([d.arm == "b" for d in life.decisions]) == pytest.approx(0.8, abs=0.03)


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


def test_more_than_the_largest_share_is_served_where_nobody_else_may() -> None:
    life = Life(Shares(max={"a": 0.1}))
    given = without(a_situation("ab"), "b")
    for _ in range(60):
        assert life.step(given).arm == "a"
    given = a_situation("ab", [0.9, 0.1])
    assert sum(life.step(given).arm == "a" for _ in range(60)) <= 10


def cohorts_lived(controller: Any) -> dict[str, float]:
    """Cohort → share of slow answers, where a is slow for many answers in the far cohort alone."""
    rng = np.random.default_rng(0)
    life = Life(controller, choice_of_the_best)
    slow = {"near": 0, "far": 0}
    for number in range(1500):
        cohort = "far" if number % 5 == 0 else "near"
        record = life.step(a_situation("abc", [0.9, 0.6, 0.1], cohort=cohort))
        is_slow = record.arm == "a" and cohort == "far" and rng.random() < 0.6
        slow[cohort] += is_slow
        life.report(record, latency_s=3.0 if is_slow else 1.0)
    return {"near": slow["near"] / 1200, "far": slow["far"] / 300}


def test_every_cohort_has_its_own_target() -> None:
    found = cohorts_lived(PerCohort(lambda: Latency(p=0.85, seconds=2.0)))
    assert found["far"] <= 0.17
    assert found["near"] == 0.0


def test_control_one_target_for_all_lets_a_cohort_down() -> None:
    assert cohorts_lived(Latency(p=0.85, seconds=2.0))["far"] > 0.3


def test_cohorts_are_seen_and_do_not_mix() -> None:
    controller = PerCohort(lambda: Shares(min={"b": 0.5}))
    life = Life(controller)
    life.step(a_situation("ab", cohort="north"), arm="a")
    life.step(a_situation("ab"), arm="b")
    assert {name: within["least"]["b"] for name, within in controller.state()["cohorts"].items()} == {
        "north": 0.5,
        "": 0.0,
    }
    assert controller.effects(a_situation("ab", cohort="north"))["cohort"] == "north"
    assert controller.of("never seen").state()["least"] == {"b": 0.0}


def test_a_memory_forgets_the_oldest() -> None:
    memory: PendingOutcomes[tuple[int]] = PendingOutcomes()
    for number in range(MAX_PENDING + 3):
        memory.put(number.to_bytes(16, "big"), (number,))
    assert len(memory) == MAX_PENDING
    assert memory.get((2).to_bytes(16, "big")) is None
    assert memory.get((3).to_bytes(16, "big")) == (3,)


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
