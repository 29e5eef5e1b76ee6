"""When a circuit opens, who may try it, and when it closes."""

from dataclasses import replace

import numpy as np
import pytest

from banditroute.controllers import CircuitBreaker
from banditroute.core.situation import Situation
from banditroute.errors import InvalidArgumentError
from banditroute.testing import situation
from banditroute.testing.controllers import even, life

ARMS = ("a", "b", "c")
STEP = next(step for step in life(ARMS, 60) if step.feedback is not None)
START_S = 1_700_000_000


class Ward:
    """A breaker, and calls that go well or not."""

    def __init__(self, **settings: float) -> None:
        self.breaker = CircuitBreaker(**settings)  # type: ignore[arg-type]
        self.calls = 0

    def decide(self, arm: str, at_s: float) -> bytes:
        """A decision for the arm; its body."""
        self.calls += 1
        body = self.calls.to_bytes(16, "big")
        record = replace(STEP.decision, decision_key=body, arm=arm, created_us=_us(at_s))
        self.breaker.decided(record, STEP.predict)
        return body

    def hear(self, arm: str, body: bytes, at_s: float, *, up: bool, objective: str = "available") -> None:
        """What came of it."""
        assert STEP.feedback is not None
        outcomes = {objective: float(up)}
        record = replace(STEP.feedback, decision_key=body, arm=arm, outcomes=outcomes, received_us=_us(at_s))
        self.breaker.learned(record)

    def call(self, arm: str, at_s: float, *, up: bool) -> None:
        """A decision, and what came of it at once."""
        self.hear(arm, self.decide(arm, at_s), at_s, up=up)

    def chances(self, at_s: float, eligible: tuple[bool, ...] = (True, True, True)) -> list[float]:
        """Of each arm, where the policy likes all of them alike."""
        found: list[float] = self.breaker.control(given(at_s, eligible), even).tolist()
        return found


def _us(at_s: float) -> int:
    return int((START_S + at_s) * 1e6)


def given(at_s: float, eligible: tuple[bool, ...] = (True, True, True)) -> Situation:
    made = replace(situation(2, 3, eligible=np.array(eligible)), arms=ARMS)
    made.request = replace(made.request, now_us=_us(at_s))
    return made


def test_failures_in_a_row_open_it() -> None:
    ward = Ward(failures=3)
    for up in (False, False, True, False, False):
        ward.call("b", 1, up=up)
        assert ward.chances(1) == [1 / 3] * 3
    ward.call("b", 2, up=False)
    assert ward.chances(2) == [0.5, 0.0, 0.5]
    assert ward.breaker.effects(given(2)) == {"open": ["b"], "half_open": []}
    assert ward.breaker.open == ("b",)


def test_bad_answers_never_do() -> None:
    ward = Ward(failures=1)
    for number in range(30):
        ward.hear("b", ward.decide("b", number), number, up=False, objective="quality")
    assert ward.breaker.open == ()


def test_one_request_tries_it_after_the_cool_down() -> None:
    ward = Ward(failures=1, cool_down_s=10)
    ward.call("b", 0, up=False)
    assert ward.chances(9.9) == [0.5, 0.0, 0.5]
    assert ward.chances(10) == [1 / 3] * 3
    assert ward.breaker.effects(given(10)) == {"open": [], "half_open": ["b"]}
    body = ward.decide("b", 10)
    assert ward.chances(11) == [0.5, 0.0, 0.5]
    ward.hear("b", body, 12, up=True)
    assert ward.chances(12) == [1 / 3] * 3
    assert ward.breaker.open == ()


def test_the_cool_down_grows_up_to_a_limit_and_starts_again() -> None:
    ward = Ward(failures=1, cool_down_s=10, growth=3, longest_s=50)
    ward.call("b", 0, up=False)
    at_s = 0.0
    for rest in (10, 30, 50, 50):
        assert ward.chances(at_s + rest - 0.1)[1] == 0
        at_s += rest
        assert ward.chances(at_s)[1] > 0
        ward.call("b", at_s, up=False)
    ward.call("b", at_s + 50, up=True)
    ward.call("b", 500, up=False)
    assert ward.chances(509.9)[1] == 0
    assert ward.chances(510)[1] > 0


def test_what_was_called_before_says_nothing_of_now() -> None:
    ward = Ward(failures=1, cool_down_s=10)
    early = ward.decide("b", 0)
    ward.call("b", 1, up=False)
    ward.hear("b", early, 2, up=True)
    assert "b" in ward.breaker.open
    tried = ward.decide("b", 12)
    ward.hear("b", early, 13, up=False)
    assert ward.chances(21)[1] == 0
    ward.hear("b", tried, 22, up=True)
    assert ward.breaker.open == ()


def test_a_try_without_an_outcome_is_given_up() -> None:
    ward = Ward(failures=1, cool_down_s=10)
    ward.call("b", 0, up=False)
    ward.decide("b", 10)
    assert ward.chances(19.9)[1] == 0
    assert ward.chances(20)[1] > 0


def test_a_ping_closes_it_and_puts_off_users() -> None:
    ward = Ward(failures=1, cool_down_s=10)
    ward.call("b", 0, up=False)
    ward.call("b", 5, up=False)
    assert ward.chances(24.9)[1] == 0
    ward.call("b", 6, up=True)
    assert ward.chances(6)[1] > 0


def test_where_all_are_open_all_may_serve() -> None:
    ward = Ward(failures=1)
    for arm in "ab":
        ward.call(arm, 0, up=False)
    assert ward.chances(1) == [0.0, 0.0, 1.0]
    assert ward.chances(1, (True, True, False)) == [0.5, 0.5, 0.0]


def test_outages_are_marked() -> None:
    ward = Ward(failures=2, cool_down_s=4)
    for at_s in (0, 1):
        ward.call("b", at_s, up=False)
    assert ward.breaker.report() == {
        "open": ["b"],
        "outages": [{"arm": "b", "since_us": _us(1), "until_us": None}],
    }
    ward.call("b", 6, up=True)
    ward.call("c", 7, up=False)
    assert ward.breaker.report() == {
        "open": [],
        "outages": [{"arm": "b", "since_us": _us(1), "until_us": _us(6)}],
    }


@pytest.mark.parametrize(
    "wrong",
    [{"failures": 0}, {"failures": True}, {"cool_down_s": 0.0}, {"growth": 0.9}, {"longest_s": 1.0}],
)
def test_settings_are_checked(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidArgumentError, match=next(iter(wrong))):
        Ward(**wrong)
