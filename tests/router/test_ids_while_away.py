"""Ids that a worker issues while its database is unavailable."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from banditroute.core.ids import random_key
from banditroute.errors import InvalidDecisionIdError
from banditroute.router.router import Router
from banditroute.store.maintenance.secrets import drop_secrets, rotate_secret, secrets_of
from banditroute.testing.world import a_router, a_vector, url

OUTCOMES: Mapping[str, float] = {"cost_usd": 0.01, "latency_s": 2.0}


def away(path: Path, spool: Path) -> Router:
    """Open a router whose database directory does not exist yet."""
    return a_router(url(path / "routing.db"), spool=spool, features=3, secret=None, ids=random_key)


def issue(router: Router, count: int = 10) -> list[str]:
    return [router.route(a_vector(number)).id for number in range(count)]


def is_back(path: Path, router: Router) -> None:
    path.mkdir()
    router.flush()
    while router.health().state != "healthy":
        router.flush()
    router.sync()


@pytest.mark.parametrize("reopened", [False, True], ids=["running worker", "restarted worker"])
def test_ids_issued_while_away_are_valid_for_every_worker(tmp_path: Path, *, reopened: bool) -> None:
    path, spool = tmp_path / "data", tmp_path / "spool"
    worker = away(path, spool)
    ids = issue(worker)
    is_back(path, worker)
    ids += issue(worker)
    if reopened:
        worker.close()
        worker = away(path, spool)
    with away(path, tmp_path / "other spool") as peer:
        for decision_id in ids:
            assert peer.feedback(decision_id, OUTCOMES).wait(30).status in ("recorded", "pending")
        for decision_id in ids:
            assert worker.feedback(decision_id, quality=0.5).wait(30).status == "recorded"
        assert peer.feedback(issue(worker)[-1], OUTCOMES).wait(30).status in ("recorded", "pending")
    worker.close()


def test_a_worker_that_opened_before_the_outage_accepts_ids_issued_during_it(tmp_path: Path) -> None:
    path, hidden = tmp_path / "data", tmp_path / "hidden"
    path.mkdir()
    peer = away(path, tmp_path / "one")
    peer.flush()
    path.rename(hidden)
    worker = away(path, tmp_path / "two")
    ids = issue(worker, 3)
    hidden.rename(path)
    while worker.health().state != "healthy":
        worker.flush()
    for decision_id in ids:
        assert peer.feedback(decision_id, OUTCOMES).wait(30).status in ("recorded", "pending")
    worker.close()
    peer.close()


def test_workers_of_one_machine_accept_each_others_ids_during_the_outage(tmp_path: Path) -> None:
    path, spool = tmp_path / "data", tmp_path / "spool"
    with away(path, spool) as worker:
        ids = issue(worker, 2)
    with away(path, spool) as restarted, away(path, spool) as peer:
        for each in (restarted, peer):
            assert each.feedback(ids[0], OUTCOMES).wait(30).status == "buffered"


def test_a_given_secret_stays_the_only_one(tmp_path: Path) -> None:
    path = tmp_path / "data"
    router = a_router(url(path / "routing.db"), spool=tmp_path / "spool", features=3, ids=random_key)
    ids = issue(router, 1)
    is_back(path, router)
    assert secrets_of(url(path / "routing.db"), router.spec.name).accepted == ()
    assert router.feedback(ids[0], OUTCOMES).wait(30).status == "recorded"
    router.close()


def test_rotation_keeps_older_ids_valid_until_they_are_dropped(tmp_path: Path) -> None:
    where = url(tmp_path / "routing.db")
    with (
        a_router(where, secret=None, features=3, ids=random_key) as router,
        a_router(where, secret=None, features=3, ids=random_key) as peer,
    ):
        name = router.spec.name
        before = secrets_of(where, name)
        old = issue(router, 1)
        rotate_secret(where, name)
        router.sync()
        after = secrets_of(where, name)
        assert after.accepted == (before.issuing,)
        assert after.issuing != before.issuing
        new = issue(router, 1)
        for decision_id in (*old, *new):
            assert peer.feedback(decision_id, OUTCOMES).wait(30).status == "recorded"
    with a_router(where, secret=after.issuing, features=3, ids=random_key) as only_new:
        with pytest.raises(InvalidDecisionIdError):
            only_new.feedback(old[0], quality=0.5)
        assert only_new.feedback(new[0], quality=0.5).wait(30).status == "recorded"
    assert drop_secrets(where, name) == 1
    with a_router(where, secret=None, features=3, ids=random_key) as router, pytest.raises(InvalidDecisionIdError):
        router.feedback(old[0], quality=0.5)


def test_two_rotations_keep_both_old_secrets(tmp_path: Path) -> None:
    where = url(tmp_path / "routing.db")
    with a_router(where, secret=None, features=3, ids=random_key) as router:
        name, issued = router.spec.name, issue(router, 1)
        rotate_secret(where, name)
        rotate_secret(where, name)
        router.sync()
        assert router.feedback(issued[0], quality=0.5).wait(30).status == "recorded"
    assert len(secrets_of(where, name).accepted) == 2
