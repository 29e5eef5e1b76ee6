"""Many threads on one router: nothing is lost, and the sums are those of one thread."""

import gc
import threading
import weakref
from pathlib import Path

import pytest

from banditroute.core.log import DecisionRecord, FeedbackRecord
from banditroute.testing import log_of
from banditroute.testing.world import SECRET, a_router, a_vector, bodies, url
from tests.router.world import logged

THREADS = 8
EACH = 200


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_threads_learn_what_one_would(kind: str, tmp_path: Path) -> None:
    router = a_router(None if kind == "memory" else url(tmp_path / "threads.db"), secret=SECRET)
    reports: list[tuple[int, str, str, float]] = []
    errors: list[BaseException] = []

    def work(thread: int) -> None:
        try:
            for number in range(EACH):
                seed = thread * EACH + number
                decision = router.route(a_vector(seed))
                quality = (seed % 11) / 11
                reports.append((seed, decision.id, decision.arm, quality))
                router.feedback(decision.id, quality=quality)
        except Exception as error:  # noqa: BLE001  (reported by the test below)
            errors.append(error)

    threads = [threading.Thread(target=work, args=(thread,)) for thread in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len({identity for _, identity, _, _ in reports}) == THREADS * EACH
    assert (router.health().n_decisions, router.health().n_feedback) == (THREADS * EACH, THREADS * EACH)
    events = list(logged(log_of(router).store))
    assert [r.number for r in events if isinstance(r, DecisionRecord)] == list(range(1, THREADS * EACH + 1))
    assert [r.number for r in events if isinstance(r, FeedbackRecord)] == list(range(1, THREADS * EACH + 1))
    sequential = a_router(ids=bodies(10_000))
    for seed, _, arm, quality in sorted(reports):
        decision = sequential.route(a_vector(seed))
        sequential.feedback(decision.id, served_arm=arm, quality=quality)
    assert sequential.digest() == router.digest()
    router.close()


def test_threads_race_for_the_dimension() -> None:
    router = a_router()
    outcomes: list[str] = []
    start = threading.Barrier(THREADS)

    def work(thread: int) -> None:
        start.wait()
        try:
            router.route([0.5] * (1 + thread % 2))
            outcomes.append("decided")
        except ValueError as error:
            outcomes.append(str(error))

    threads = [threading.Thread(target=work, args=(thread,)) for thread in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes)[THREADS // 2 :] == ["decided"] * (THREADS // 2)
    assert all("features, expected" in outcome for outcome in outcomes if outcome != "decided")
    assert router.health().faults == 0


def test_a_router_that_is_let_go_of_is_closed_at_once(tmp_path: Path) -> None:
    """Its threads would go on reading the database until somebody collects the garbage."""
    router = a_router(url(tmp_path / "left.db"))
    router.feedback(router.route(a_vector(1)).id, quality=0.5)
    left = weakref.ref(router)
    gc.disable()
    try:
        del router
        assert left() is None
    finally:
        gc.enable()
