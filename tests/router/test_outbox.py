"""The outbox slows callers down that run ahead of the writer."""

from pathlib import Path
from typing import Any

import pytest

from banditroute.router import outbox
from banditroute.router.outbox import LONGEST_PAUSE_S, PACED_FROM, SHORTEST_PAUSE_S, Outbox
from banditroute.testing import log_of
from banditroute.testing.world import a_router, a_vector, url


class Waiting:
    """A store with so many appends that wait."""

    def __init__(self, backlog: int) -> None:
        self.backlog = backlog


def pauses(backlog: int, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    taken: list[float] = []
    monkeypatch.setattr("banditroute.router.outbox.time.sleep", taken.append)
    store: Any = Waiting(backlog)
    Outbox(store).pace()
    return taken


def test_the_pause_grows_with_the_backlog(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pauses(0, monkeypatch) == pauses(PACED_FROM, monkeypatch) == []
    (first,), (second,) = pauses(PACED_FROM + 1, monkeypatch), pauses(3 * PACED_FROM, monkeypatch)
    assert SHORTEST_PAUSE_S < first < second == pytest.approx(3 * SHORTEST_PAUSE_S)
    assert pauses(10**7, monkeypatch) == [LONGEST_PAUSE_S]


def test_a_caller_that_never_pauses_does_not_run_ahead_of_the_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "PACED_FROM", 50)
    with a_router(url(tmp_path / "r.db")) as router:
        log, most = log_of(router), 0
        for number in range(1_500):
            decision = router.route(a_vector(number % 900))
            router.feedback(decision.id, quality=0.5)
            most = max(most, log.store.backlog)
        assert most < 1_000
        router.flush()
        assert log.store.backlog == 0
