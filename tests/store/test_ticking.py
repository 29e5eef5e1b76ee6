"""What is done again and again, with calls that only count."""

import threading
from collections.abc import Sequence

import pytest

from banditroute.store.sql.ticking import Tick, Ticker, around

PATIENCE = 30


class Calls:
    """Counts its calls, raises what it is given, and asks for more until it was called often enough."""

    def __init__(self, enough: int, errors: Sequence[Exception] = (), *, asks_for_more: bool = False) -> None:
        self.count = 0
        self.threads: set[threading.Thread] = set()
        self.enough = threading.Event()
        self._asks_for_more = asks_for_more
        self._enough = enough
        self._errors = list(errors)

    def __call__(self) -> bool:
        self.count += 1
        self.threads.add(threading.current_thread())
        if self.count >= self._enough:
            self.enough.set()
        if self._errors:
            raise self._errors.pop(0)
        return self._asks_for_more and not self.enough.is_set()


def test_it_ticks_in_a_thread_of_its_own_until_it_is_closed() -> None:
    calls = Calls(3)
    ticker = Ticker("ticker", Tick("it", calls), pause=lambda: 0.001)
    assert calls.enough.wait(PATIENCE)
    ticker.close()
    count = calls.count
    ticker.close()
    assert calls.count == count
    assert len(calls.threads) == 1
    assert threading.current_thread() not in calls.threads


def test_with_more_to_do_it_does_not_wait_for_its_time() -> None:
    pauses = iter([0.0, 3_600.0])
    calls = Calls(3, asks_for_more=True)
    ticker = Ticker("ticker", Tick("it", calls), pause=lambda: next(pauses))
    assert calls.enough.wait(PATIENCE)
    ticker.close()
    assert calls.count == 3


def test_it_can_be_closed_by_what_it_calls() -> None:
    """A store that is collected in this thread closes itself."""
    made, closed = threading.Event(), threading.Event()
    tickers: list[Ticker] = []

    def close() -> None:
        assert made.wait(PATIENCE)
        tickers[0].close()
        closed.set()

    tickers.append(Ticker("ticker", Tick("it", close), pause=lambda: 0.0))
    made.set()
    assert closed.wait(PATIENCE)
    tickers[0].close()


def test_a_tick_that_fails_is_told_once_and_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    calls = Calls(4, [ValueError("one"), ValueError("one"), KeyError("two")])
    ticker = Ticker("ticker", Tick("the fold", calls), pause=lambda: 0.0)
    assert calls.enough.wait(PATIENCE)
    ticker.close()
    assert [record.getMessage() for record in caplog.records] == [
        "the fold failed: ValueError: one",
        "the fold failed: KeyError: 'two'",
    ]


def test_pauses_differ_by_up_to_a_fifth() -> None:
    pause = around(0.1)
    pauses = [pause() for _ in range(1_000)]
    assert 0.080 <= min(pauses) < 0.084
    assert 0.116 < max(pauses) <= 0.120


def test_a_tick_says_whether_there_is_more_to_do() -> None:
    answers = iter([True, False, None])
    tick = Tick("it", lambda: next(answers))
    assert [tick(), tick(), tick()] == [True, False, False]
