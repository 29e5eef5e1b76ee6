"""Threads that call a method periodically, with calls that only count."""

import gc
import threading
from collections.abc import Callable, Sequence

import pytest

from banditroute.core.runtime.periodic import GuardedCall, PeriodicThread, jittered

PATIENCE = 30


class Calls:
    """Counts its calls, raises the errors it was given, and asks for more until it was called often enough."""

    def __init__(self, enough: int, errors: Sequence[Exception] = (), *, asks_for_more: bool = False) -> None:
        self.count = 0
        self.threads: set[threading.Thread] = set()
        self.enough = threading.Event()
        self._asks_for_more = asks_for_more
        self._enough = enough
        self._errors = list(errors)

    def call(self) -> bool:
        self.count += 1
        self.threads.add(threading.current_thread())
        if self.count >= self._enough:
            self.enough.set()
        if self._errors:
            raise self._errors.pop(0)
        return self._asks_for_more and not self.enough.is_set()


def started(calls: Calls, name: str = "calls", pause: Callable[[], float] = lambda: 0.0) -> PeriodicThread:
    return PeriodicThread(calls.call, name=name, pause=pause)


def test_it_calls_in_a_thread_of_its_own_until_it_is_stopped() -> None:
    calls = Calls(3)
    periodic = started(calls, pause=lambda: 0.001)
    assert calls.enough.wait(PATIENCE)
    periodic.stop()
    count = calls.count
    periodic.stop()
    assert calls.count == count
    assert calls.threads == {periodic.thread}
    assert not periodic.thread.is_alive()


def test_with_more_to_do_it_does_not_pause() -> None:
    pauses = iter([0.0, 3_600.0])
    calls = Calls(3, asks_for_more=True)
    periodic = started(calls, pause=lambda: next(pauses))
    assert calls.enough.wait(PATIENCE)
    periodic.stop()
    assert calls.count == 3


class Owner:
    """Stops its own thread from within the call."""

    def __init__(self) -> None:
        self.made, self.stopped = threading.Event(), threading.Event()
        self.periodic = PeriodicThread(self.call, name="owner", pause=lambda: 0.0)
        self.made.set()

    def call(self) -> None:
        assert self.made.wait(PATIENCE)
        self.periodic.stop()
        self.stopped.set()


def test_it_can_be_stopped_by_the_method_that_it_calls() -> None:
    owner = Owner()
    assert owner.stopped.wait(PATIENCE)
    owner.periodic.stop()


def test_it_ends_when_the_owner_of_the_method_is_collected() -> None:
    calls = Calls(1)
    periodic, enough = started(calls), calls.enough
    assert enough.wait(PATIENCE)
    del calls
    gc.collect()
    periodic.thread.join(PATIENCE)
    assert not periodic.thread.is_alive()


def test_an_error_is_logged_once_and_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    calls = Calls(4, [ValueError("one"), ValueError("one"), KeyError("two")])
    periodic = started(calls, "the fold")
    assert calls.enough.wait(PATIENCE)
    periodic.stop()
    assert [record.getMessage() for record in caplog.records] == [
        "the fold failed: ValueError: one",
        "the fold failed: KeyError: 'two'",
    ]


def test_pauses_differ_by_up_to_a_fifth() -> None:
    pause = jittered(0.1)
    pauses = [pause() for _ in range(1_000)]
    assert 0.080 <= min(pauses) < 0.084
    assert 0.116 < max(pauses) <= 0.120


def test_a_call_returns_whether_there_is_more_to_do() -> None:
    answers = iter([True, False, None])
    call = GuardedCall("it", lambda: next(answers))
    assert [call(), call(), call()] == [True, False, False]
