"""Several routers on one log: each learns the reports to all others, and all reach the same bits."""

import itertools
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from banditroute import Arm, Price, Router
from banditroute.core.ids import IdSource
from banditroute.errors import FeedbackConflictError, StoreUnavailableError
from banditroute.router import follower
from banditroute.testing import engine_of, log_of, upkeep_of
from banditroute.testing.world import Clock, a_router, a_vector, url

PATIENCE = 30.0
RESPONSE: dict[str, Any] = {"cost_usd": 0.01, "latency_s": 3.0}


def bodies_of(worker: int) -> IdSource:
    """Bodies that no other worker gives."""
    numbers = itertools.count(1)
    return lambda: bytes([worker]) + next(numbers).to_bytes(15, "big")


def workers(path: Path, count: int = 2, **settings: Any) -> list[Router]:
    """Routers on one file."""
    return [a_router(url(path / "routing.db"), ids=bodies_of(number), **settings) for number in range(count)]


def in_step(routers: list[Router]) -> str:
    """Let all of them read everything; the digest that all of them have then."""
    for router in routers:
        router.flush()
    for router in routers:
        router.sync()
    digests = {router.digest() for router in routers}
    assert len(digests) == 1
    return digests.pop()


def replayed(path: Path) -> str:
    """The digest of a router that reads the log from its beginning."""
    with a_router(url(path / "routing.db"), ids=bodies_of(99)) as router:
        return router.digest()


def closed(routers: list[Router]) -> None:
    for router in routers:
        router.close()


def test_each_worker_learns_the_reports_to_the_others(tmp_path: Path) -> None:
    one, two = both = workers(tmp_path)
    for number in range(20):
        router = both[number % 2]
        decision = router.route(a_vector(number))
        before = router.digest()
        router.feedback(decision.id, quality=0.5, **RESPONSE)
        assert router.digest() != before, "its own feedback counts at once"
    assert in_step(both) == replayed(tmp_path)
    assert one.health().n_decisions == two.health().n_decisions == 20
    closed(both)


def test_feedback_may_come_to_any_of_them(tmp_path: Path) -> None:
    one, two = both = workers(tmp_path)
    ids = [one.route(a_vector(number)).id for number in range(5)]
    in_step(both)
    for number, identity in enumerate(ids):
        assert two.feedback(identity, quality=number / 5).wait(30).status == "recorded"
    alone = a_router()
    for number in range(5):
        alone.feedback(
            alone.route(a_vector(number)).id, quality=number / 5, served_arm=one.why(ids[number]).decision.arm
        )
    assert in_step(both) == alone.digest() == replayed(tmp_path)
    closed(both)


def test_the_same_report_to_two_workers_counts_once(tmp_path: Path) -> None:
    both = workers(tmp_path)
    one = both[0]
    identity = one.route(a_vector(1)).id
    in_step(both)
    statuses = {router.feedback(identity, quality=0.25).wait(30).status for router in both}
    assert statuses == {"recorded", "duplicate"}
    assert in_step(both) == replayed(tmp_path)
    assert len(one.why(identity).feedback) == 1
    closed(both)


def test_different_reports_to_two_workers_conflict_and_both_learn_the_stored_one(tmp_path: Path) -> None:
    one, two = both = workers(tmp_path)
    identity = one.route(a_vector(1)).id
    in_step(both)
    one.feedback(identity, quality=0.25).wait(30)
    late = two.feedback(identity, quality=0.75)
    with pytest.raises(FeedbackConflictError, match="different feedback already recorded"):
        late.wait(30)
    assert in_step(both) == replayed(tmp_path)
    assert [record.outcomes for record in two.why(identity).feedback] == [{"quality": 0.25}]
    assert two.health().lost == 0, "the receipt said so"
    closed(both)


def test_what_another_said_is_learned_before_it_is_amended(tmp_path: Path) -> None:
    """Of a decision that this worker never read, the store knows more than this worker has learned."""
    one, two = both = workers(tmp_path)
    identity = one.route(a_vector(1)).id
    one.feedback(identity, quality=0.25).wait(30)
    two.feedback(identity, quality=0.75, amend=True).wait(30)
    assert two.health().n_decisions == 1
    assert in_step(both) == replayed(tmp_path)
    closed(both)


def test_an_amendment_that_changes_nothing_for_learners_is_known_to_all(tmp_path: Path) -> None:
    """Both costs are beyond the most that the objective tells apart."""
    one, two = both = workers(tmp_path)
    identity = one.route(a_vector(1)).id
    one.feedback(identity, cost_usd=0.08, latency_s=3.0).wait(PATIENCE)
    in_step(both)
    two.feedback(identity, cost_usd=0.06, latency_s=3.0, amend=True).wait(PATIENCE)
    in_step(both)
    assert engine_of(one).state.position == engine_of(two).state.position
    assert one.why(identity).to_dict() == two.why(identity).to_dict()
    # Else it would go on from the first revision, which is not the last.
    one.feedback(identity, cost_usd=0.005, latency_s=3.0, amend=True).wait(PATIENCE)
    assert in_step(both) == replayed(tmp_path)
    assert one.why(identity).to_dict() == two.why(identity).to_dict()
    closed(both)


def test_a_conflict_is_looked_up_while_requests_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store waits for its writer, which may wait for the lock of the router to resolve a report."""
    one, two = both = workers(tmp_path)
    identity = one.route(a_vector(1)).id
    in_step(both)
    decision, passed = log_of(two).store.decision, []

    def looked_up(body: bytes) -> Any:
        other = threading.Thread(target=two.route, args=(a_vector(2),))
        other.start()
        other.join(PATIENCE)
        passed.append(not other.is_alive())
        return decision(body)

    monkeypatch.setattr(log_of(two).store, "decision", looked_up)
    one.feedback(identity, quality=0.25).wait(PATIENCE)
    two.feedback(identity, quality=0.75, amend=True).wait(PATIENCE)
    one.feedback(identity, quality=0.5, amend=True).wait(PATIENCE)
    assert in_step(both) == replayed(tmp_path)
    assert passed
    assert all(passed)
    closed(both)


def test_a_reading_that_breaks_off_goes_on_where_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read before is not at hand any more by then, so nothing else would tell that it was seen."""
    monkeypatch.setattr(follower, "CHUNK", 3)
    one, two = both = workers(tmp_path)
    assert upkeep_of(two) is not None
    upkeep_of(two).stop()
    made = []
    for number in range(7):
        made.append(one.route(a_vector(number)).id)
        one.feedback(made[-1], quality=number / 7)
    one.flush()
    events = log_of(two).store.events

    def broken_off(*arguments: Any, **settings: Any) -> Iterator[Any]:
        yield from itertools.islice(events(*arguments, **settings), 9)
        raise StoreUnavailableError("reading the log: database unavailable")

    with monkeypatch.context() as patch:
        patch.setattr(log_of(two).store, "events", broken_off)
        with pytest.raises(StoreUnavailableError):
            two.sync()
    assert 0 < two.health().n_decisions < 7
    log_of(two).recent.drop(log_of(two).keys.key(identity) for identity in made)
    assert in_step(both) == replayed(tmp_path)
    assert two.health().n_decisions == two.health().n_feedback == 7
    closed(both)


@pytest.mark.parametrize("served", [None, "plain"])
def test_an_amendment_replaces_the_report_to_another_worker(tmp_path: Path, served: str | None) -> None:
    one, two = both = workers(tmp_path)
    identity = one.route(a_vector(1)).id
    in_step(both)
    one.feedback(identity, quality=0.25).wait(30)
    two.feedback(identity, quality=0.75, amend=True, served_arm=served).wait(30)
    assert in_step(both) == replayed(tmp_path)
    assert [record.outcomes for record in one.why(identity).feedback][-1] == {"quality": 0.75}
    closed(both)


@pytest.mark.parametrize("quality", [0.0, 0.5])
def test_what_was_erased_is_taken_out_by_those_who_had_learned_it(tmp_path: Path, quality: float) -> None:
    """When they read of it, the log has no features any more that could be taken out."""
    one, two = both = workers(tmp_path)
    assert upkeep_of(two) is not None
    upkeep_of(two).stop()
    identity = one.route(a_vector(1)).id
    one.feedback(identity, quality=quality, **RESPONSE)
    in_step(both)
    assert one.forget(decisions=[identity]) == 2
    assert in_step(both) == replayed(tmp_path)
    two.feedback(identity, quality=0.25, amend=True)
    assert in_step(both) == replayed(tmp_path)
    closed(both)


def test_preferences_prices_and_arms_reach_all(tmp_path: Path) -> None:
    one, two = both = workers(tmp_path)
    one.preferences = {"quality": 2.0, "latency_s": 1.0}
    one.add_arm(Arm("new", price=Price(input=1, output=2)))
    one.set_price("large", Price(input=1.0, output=4.0))
    one.retire_arm("plain", successor="new")
    one.flush()
    two.sync()
    assert two.preferences == {"quality": 2.0, "latency_s": 1.0}
    assert two.arms == one.arms == {"small": "active", "large": "active", "plain": "retired", "new": "active"}
    decision = two.route(a_vector(1), allowed=["new"])
    two.feedback(decision.id, prompt_tokens=10, output_tokens=10, latency_s=1.0)
    assert in_step(both) == replayed(tmp_path)
    closed(both)


def test_the_first_vector_decides_for_all(tmp_path: Path) -> None:
    one, two = (
        Router("wide", arms=[Arm("a"), Arm("b")], store=url(tmp_path / "routing.db"), clock=Clock())
        for _ in range(2)
    )
    one.feedback(one.route([0.5, 0.5]).id, quality=1.0)
    one.flush()
    two.sync()
    assert two.spec.dimension == 2
    assert in_step([one, two])
    closed([one, two])


class Workers(RuleBasedStateMachine):
    """Three routers with random reports, synchronised from time to time."""

    path: Path

    @initialize()
    def begin(self) -> None:
        import tempfile

        self.directory = tempfile.TemporaryDirectory()
        self.path = Path(self.directory.name)
        self.clock = Clock()
        self.routers = workers(self.path, 3, clock=self.clock)
        self.ids: list[str] = []
        self.routers[0].route(a_vector(0))
        in_step(self.routers)

    @rule(worker=st.integers(0, 2), number=st.integers(0, 50))
    def route(self, worker: int, number: int) -> None:
        self.ids.append(self.routers[worker].route(a_vector(number)).id)

    @rule(
        worker=st.integers(0, 2),
        which=st.integers(0, 7),
        quality=st.sampled_from([0.25, 0.5]),
        amend=st.booleans(),
        served=st.sampled_from([None, "small"]),
    )
    def tell(self, worker: int, which: int, quality: float, amend: bool, served: str | None) -> None:
        if not self.ids:
            return
        identity = self.ids[-1 - which % len(self.ids)]
        # Never quite still: the same said of a decision at the very same moment, to whomever, is said once.
        self.clock.now += 0.001
        try:
            self.routers[worker].feedback(identity, quality=quality, amend=amend, served_arm=served)
        except FeedbackConflictError:
            assert not amend

    @rule(worker=st.integers(0, 2))
    def read(self, worker: int) -> None:
        self.routers[worker].sync()

    @rule()
    def meet(self) -> None:
        assert in_step(self.routers) == replayed(self.path)

    @invariant()
    def nothing_is_lost(self) -> None:
        for router in getattr(self, "routers", []):
            assert log_of(router).outbox.lost == 0

    def teardown(self) -> None:
        if hasattr(self, "routers"):
            in_step(self.routers)
            closed(self.routers)
            self.directory.cleanup()


TestWorkers = pytest.mark.slow(Workers.TestCase)
TestWorkers.settings = settings(
    max_examples=12, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
