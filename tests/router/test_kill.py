"""A routing process is killed at any moment: the router that is opened next knows all that was acknowledged."""

import multiprocessing
import os
import random
import select
import time
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from banditroute import Router
from banditroute.core.ids import ID_CHARACTERS
from banditroute.core.log import FeedbackRecord
from banditroute.router.state.state import State
from banditroute.testing import engine_of, log_of
from banditroute.testing.world import a_router, bodies, url
from tests.router.victim import route_for_ever

KILLS = 10
PATIENCE = 30.0


def _victim(target: str, acknowledge: Connection) -> None:
    route_for_ever(target, acknowledge.fileno())


def acknowledged_until_killed(target: str, after: float) -> set[str]:
    """Let a child live for ``after`` [s] from its first acknowledgement on; what it acknowledged."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.router.victim"])
    read, write = context.Pipe(duplex=False)
    child = context.Process(target=_victim, args=(target, write))
    child.start()
    write.close()
    readable, _, _ = select.select([read], [], [], PATIENCE)
    assert readable, "the child stored nothing"
    time.sleep(after)
    child.kill()
    child.join(PATIENCE)
    received = b""
    while chunk := os.read(read.fileno(), 1 << 16):
        received += chunk
    read.close()
    whole = range(0, len(received) - ID_CHARACTERS + 1, ID_CHARACTERS)
    return {received[start : start + ID_CHARACTERS].decode() for start in whole}


def faults(router: Router, acknowledged: set[str]) -> list[str]:
    """What is wrong with a reopened router."""
    router.flush()
    events = list(log_of(router).store.events())
    feedback = [record for record in events if isinstance(record, FeedbackRecord)]
    state = State(router.objectives, router.policy)
    for name in router.arms:
        state.arms.put(engine_of(router).state.arms.record(name))
    state.fix_dimension(router.spec)
    for event in events:
        state.apply(event)
    found = []
    if [record.number for record in feedback] != list(range(1, len(feedback) + 1)):
        found.append("the log has gaps")
    if state.digest() != router.digest():
        found.append("the state is not that of the log")
    if not {log_of(router).keys.key(identity) for identity in acknowledged} <= {
        record.decision_key for record in feedback
    }:
        found.append("acknowledged feedback is lost")
    return found


@pytest.mark.kills
def test_ten_kills_lose_nothing(tmp_path: Path) -> None:
    target, moments, acknowledged = url(tmp_path / "killed.db"), random.Random(5), set[str]()
    for kill in range(KILLS):
        acknowledged |= acknowledged_until_killed(target, moments.uniform(0.0, 0.12))
        router = a_router(target, ids=bodies(kill * 1000 + 1))
        assert faults(router, acknowledged) == []
        assert router.health().n_feedback >= len(acknowledged)
        router.close()
    assert len(acknowledged) >= KILLS


def test_control_a_lost_acknowledgement_is_found(tmp_path: Path) -> None:
    router = a_router(url(tmp_path / "kept.db"))
    kept, lost = router.route([0.0, 0.0, 0.5]), router.route([0.0, 0.0, 0.5])
    router.feedback(kept.id, quality=0.5)
    assert faults(router, {kept.id}) == []
    assert faults(router, {kept.id, lost.id}) == ["acknowledged feedback is lost"]
    engine_of(router).state.apply_feedback(next(iter(router.why(kept.id).feedback)))
    assert faults(router, {kept.id}) == ["the state is not that of the log"]
    router.close()
