"""A batch is decided as its requests would be one by one."""

import numpy as np
import pytest

from banditroute import EpsilonGreedy, LinTS, LinUCB, Policy
from banditroute.errors import BanditRouteError, InvalidContextError
from banditroute.store import START, MemoryStore
from banditroute.testing import engine_of
from banditroute.testing.world import a_router, a_vector, bodies
from tests.router.world import logged, with_history

STEPS = 120


@pytest.mark.parametrize("policy", [LinUCB(), LinTS(alpha=2.0, ridge=3.0), EpsilonGreedy(epsilon=0.5)])
def test_equals_one_by_one(policy: Policy) -> None:
    batch, single = a_router(policy=policy), a_router(policy=policy)
    with_history(batch, STEPS)
    with_history(single, STEPS)
    X = np.array([a_vector(1000 + number) for number in range(50)])
    together = batch.route_many(X, allowed=["small", "large", "new"])
    apart = [single.route(x, allowed=["small", "large", "new"]) for x in X]
    # A policy counts plays; those of a batch are counted after all of it was decided.
    plays = np.array([decision.record.number for decision in together])
    assert plays.tolist() == list(range(STEPS + 1, STEPS + 51))
    assert [d.id for d in together] == [d.id for d in apart]
    assert [d.arm for d in together] == [d.arm for d in apart]
    for one, other in zip(together, apart, strict=True):
        assert list(one.probabilities.values()) == pytest.approx(list(other.probabilities.values()), abs=1e-7)
        np.testing.assert_allclose(one.record.mean, other.record.mean, atol=1e-12)
        np.testing.assert_allclose(one.record.width, other.record.width, atol=1e-12)
    assert batch.health() == single.health()


def test_an_empty_batch_is_empty() -> None:
    router = a_router()
    assert router.route_many(np.zeros((0, 3))) == []
    assert router.health().n_decisions == 0


@pytest.mark.parametrize(
    "X",
    [
        [[0.0, 0.0, 0.0], [0.0, np.nan, 0.0]],
        [[0.0, 0.0], [0.0, 0.0]],
        [0.0, 0.0, 0.0],
        [[0.0, 0.0, 0.0], [0.0, 0.0]],
        [[0.0, 0.0, 9.0]],
        np.zeros((2, 2, 3)),
        None,
    ],
)
def test_one_bad_row_refuses_the_batch(X: object) -> None:
    store = MemoryStore()
    router = a_router(store, features=3)
    with pytest.raises(InvalidContextError) as caught:
        router.route_many(X)  # type: ignore[arg-type]
    assert isinstance(caught.value, BanditRouteError)
    assert store.end() == START


def test_a_batch_is_replayed(tmp_path: object) -> None:
    store = MemoryStore()
    router = a_router(store)
    for start in range(5):
        decisions = router.route_many([a_vector(start * 10 + number) for number in range(10)])
        for decision in decisions[::2]:
            router.feedback(decision.id, quality=0.5)
    router.close()
    again = a_router(store, ids=bodies(100))
    assert again.digest() == router.digest()
    assert engine_of(again).state.plays.tolist() == engine_of(router).state.plays.tolist()
    assert len(list(logged(store))) == 75
