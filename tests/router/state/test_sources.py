"""What one source may say, and how it is forgotten."""

from pathlib import Path
from typing import Any

import pytest

from banditroute import Router
from banditroute.errors import DecisionExpiredError, InvalidArgumentError, InvalidDecisionIdError
from banditroute.store import MemoryStore
from banditroute.testing import engine_of, log_of
from banditroute.testing.world import a_router, a_vector, bodies, url

RESPONSE: dict[str, Any] = {"cost_usd": 0.01, "latency_s": 3.0}


def report_all(router: Router, requests: int = 40, liar: bool = True) -> list[str]:
    """Report outcomes; every third request is judged by a source with wrong values."""
    ids = [router.route(a_vector(number)).id for number in range(requests)]
    for number, identity in enumerate(ids):
        router.feedback(identity, **RESPONSE)
        if number % 3:
            router.feedback(identity, source="judge", quality=0.5)
        elif liar:
            router.feedback(identity, source="liar", quality=1.0)
    return ids


@pytest.mark.parametrize("sql", [False, True])
def test_a_forgotten_source_leaves_no_trace(tmp_path: Path, sql: bool) -> None:
    router = a_router(url(tmp_path / "f.db") if sql else None)
    honest = a_router()
    report_all(router)
    report_all(honest, liar=False)
    assert router.digest() != honest.digest()
    assert router.forget(source="liar") == 14
    assert router.digest() == honest.digest()
    assert router.forget(source="liar") == 0
    router.close()
    if sql:
        with a_router(url(tmp_path / "f.db"), ids=bodies(100)) as again:
            assert again.digest() == honest.digest()


@pytest.mark.parametrize("sql", [False, True])
def test_decisions_are_forgotten_with_all_that_is_personal(tmp_path: Path, sql: bool) -> None:
    store = url(tmp_path / "f.db") if sql else MemoryStore()
    router = a_router(store)
    other = a_router()
    ids, others = report_all(router), report_all(other)
    assert router.forget(decisions=ids[:2]) == 4
    other.forget(decisions=others[:2])
    assert router.digest() == other.digest()
    digest = router.digest()
    for identity in ids[:2]:
        evidence = router.why(identity).decision
        assert not evidence.row.any()
        assert all(not record.outcomes for record in router.why(identity).feedback)
    assert router.why(ids[2]).decision.row.any()
    router.close()
    with a_router(store, ids=bodies(100)) as again:
        assert again.digest() == digest


def test_nothing_is_forgotten_by_mistake() -> None:
    router = a_router()
    ids = report_all(router)
    before = router.digest()
    with pytest.raises(InvalidArgumentError, match="needs a source or decisions"):
        router.forget()
    with pytest.raises(InvalidDecisionIdError):
        router.forget(decisions=[ids[0], "somebody else's"])
    assert router.digest() == before


def test_a_capped_source_has_its_share_and_no_more() -> None:
    router = a_router(source_caps={"crowd": 0.1})
    for number in range(300):
        identity = router.route(a_vector(number)).id
        router.feedback(identity, source="crowd", quality=1.0)
        router.feedback(identity, **RESPONSE)
    counts = engine_of(router).state.sources.state()
    assert counts["crowd"] == 50
    assert counts[""] == 350
    said = router.why(identity).feedback
    assert {record.group: record.values is None for record in said} == {"quality": True, "response": False}


@pytest.mark.parametrize("share", [0, -1, 1.5, float("nan"), "much"])
def test_a_cap_is_a_share(share: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"source_caps\['crowd'\] = .* must be a number in"):
        a_router(source_caps={"crowd": share})


def test_an_unknown_decision_waits_in_memory_too() -> None:
    """A store that is alone cannot know a decision that it never saw: the report is pending, and counted."""
    first, second = a_router(), a_router()
    identity = first.route(a_vector(1)).id
    second.route(a_vector(1))
    log_of(second).recent.drop([log_of(second).keys.key(identity)])
    other = a_router(ids=bodies(50)).route(a_vector(1)).id
    assert second.feedback(other, quality=0.5).wait(1).status == "pending"
    with pytest.raises(DecisionExpiredError):
        second.why(other)
