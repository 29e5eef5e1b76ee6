"""Feedback that came to a worker before the decision did: it waits, also for a router that is just opened."""

from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from banditroute.core.receipt import ReceiptStatus
from banditroute.router.resolution import FeedbackResolver
from banditroute.store.sql.log import RouterLog
from banditroute.store.sql.store import SqlStore
from banditroute.testing import log_of
from banditroute.testing.world import a_router, a_vector, url


def left_behind(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A report followed by its decision, neither of them folded."""
    one, two = (a_router(place, ids=lambda number=number: bytes([number] * 16)) for number in (1, 2))
    kept: list[Any] = []

    def keep(records: Any) -> "Future[ReceiptStatus]":
        kept.extend(records)
        done: Future[ReceiptStatus] = Future()
        done.set_result("recorded")
        return done

    with monkeypatch.context() as patch:
        patch.setattr(log_of(one).store, "append", keep)
        identity = one.route(a_vector(1)).id
        assert two.feedback(identity, quality=0.5).wait(30).status == "pending"
        two.close()
    with monkeypatch.context() as patch:
        patch.setattr(RouterLog, "_fold_some", lambda *_: 0)
        assert isinstance(log_of(one).store, SqlStore)
        log_of(one).store.append(kept).result(30)
        one.close()


def opened_again(place: str) -> tuple[int, int]:
    """How much a router that is opened now learns of it, and how much it refuses."""
    with a_router(place, ids=lambda: bytes([3] * 16)) as router:
        # In a file the next group folds.
        router.route(a_vector(3))
        router.flush()
        router.sync()
        health = router.health()
        return health.n_feedback, health.refused_reports


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.parametrize("waits", [True, False])
def test_it_is_learned_by_the_router_that_is_opened_next(
    kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, request: pytest.FixtureRequest, *, waits: bool
) -> None:
    """The control resolves it before the router knows its arms."""
    place = url(tmp_path / "routing.db") if kind == "sqlite" else request.getfixturevalue("postgres_url")
    left_behind(place, monkeypatch)
    if not waits:
        monkeypatch.setattr(FeedbackResolver, "resolve_stored", _at_once)
    assert opened_again(place) == ((1, 0) if waits else (0, 1))


def _at_once(resolver: FeedbackResolver, decision: Any, feedback: Any, report: Any) -> Any:
    return resolver.resolve(decision, {record.group: record for record in feedback}, report)
