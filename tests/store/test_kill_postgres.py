"""Workers on one PostgreSQL are killed at any moment, and its server crashes: nothing acknowledged is lost."""

import random
from collections.abc import Iterator

import pytest

from banditroute.records import FeedbackRecord
from banditroute.store.sql import SqlStore
from banditroute.testing import open_router
from tests.postgres import OwnServer, Server
from tests.store.child import Child
from tests.store.test_workers import wrong
from tests.store.victim import append_to_share

WORKERS, KILLS, CRASHES = 3, 12, 2


@pytest.fixture
def children(postgres_url: str) -> Iterator[list[Child]]:
    children: list[Child] = []
    yield children
    for child in children:
        child.end()


def test_workers_are_killed_and_the_server_crashes(
    postgres_url: str, postgres_server: Server, children: list[Child]
) -> None:
    """Each kill takes one of the workers, and the next one takes its place; each says everything twice."""
    moments = random.Random(20261124)
    store = SqlStore(postgres_url)
    open_router(store)
    store.close()
    crashes = {KILLS * (crash + 1) // (CRASHES + 1) for crash in range(CRASHES)}
    acknowledged: set[int] = set()
    for kill in range(KILLS + WORKERS):
        if kill >= WORKERS:
            acknowledged |= children.pop(0).acknowledged_until_dead(kill_after=moments.uniform(0.0, 0.2))
        if kill in crashes and isinstance(postgres_server, OwnServer):
            postgres_server.crash()
            postgres_server.start()
        if kill < KILLS:
            children.append(Child.start(append_to_share, postgres_url, 1_000_000 * (kill + 1)))
    store = SqlStore(postgres_url)
    open_router(store)
    assert wrong(store) == set()
    learned = [int.from_bytes(r.body, "big") for r in store.events() if isinstance(r, FeedbackRecord)]
    store.close()
    assert len(set(learned)) == len(learned)
    assert acknowledged <= set(learned)
    assert len(acknowledged) > KILLS
