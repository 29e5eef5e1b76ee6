"""One garbage row costs nobody else anything: not the fold, not an opening, not a request."""

import logging
import struct
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from banditroute import Router
from banditroute.core.log import FeedbackRecord, StateKey
from banditroute.errors import BanditRouteError, DecisionExpiredError, InvalidArgumentError, StoreError
from banditroute.router.log_check import fold_of
from banditroute.store.databases.url import database_at
from banditroute.store.maintenance.verify import verify
from banditroute.store.schema import tables
from banditroute.store.sql.decode import to_decisions, to_feedbacks
from banditroute.store.sql.fold import Folder
from banditroute.store.sql.rows import Rows, safe_reason
from banditroute.store.sql.store import SqlStore
from banditroute.testing import (
    ARMS,
    PREFERENCES,
    SECRET,
    SPEC,
    a_decision,
    append,
    feedback_of,
    open_router,
    reporting,
    summing,
)
from banditroute.testing.world import World

STEPS, SPOILT = 14, 5
BODY = SPOILT.to_bytes(16, "big")


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/routing.db"
    return str(request.getfixturevalue("postgres_url"))


def grid(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}q", *values)


def cases(kinds: Mapping[str, Mapping[str, Any]]) -> list[Any]:
    """All of them on SQLite, and the first two on PostgreSQL, since rows are read alike from both."""
    sqlite = [pytest.param("sqlite", kind, id=f"sqlite-{name}") for name, kind in kinds.items()]
    few = list(kinds.items())[:2]
    return [*sqlite, *(pytest.param("postgresql", kind, id=f"postgresql-{name}") for name, kind in few)]


GARBAGE: Mapping[str, Mapping[str, Any]] = {
    "beyond the exact sums": {"grid_values": grid(2**62)},
    "beyond the grid": {"grid_values": grid(65_537)},
    "below it": {"grid_values": grid(-1)},
    "too many values": {"grid_values": grid(1, 2)},
    "no whole number": {"grid_values": b"seven b"},
    "no value": {"grid_values": b""},
    "takes out what is too large": {"grid_previous": grid(2**62)},
    "arm of nobody": {"arm_id": 999_999},
    "group of nobody": {"objective_group": "nobody"},
    "takes out what was never put in": {"grid_previous": grid(5)},
    "takes out what nobody said": {"body": bytes(15) + b"\x04", "revision": 0, "grid_previous": grid(1)},
    "puts in what is there": {"revision": 1, "objective_group": "response", "grid_values": grid(1, 1)},
    "no JSON": {"outcomes": "quality: 1"},
    "no mapping": {"outcomes": "[1]"},
    "not finite": {"outcomes": '{"quality": NaN}'},
    "text for a number": {"outcomes": '{"quality": "1"}'},
}


def lived(url: str | None, first: int, last: int, world: World) -> Router:
    """The router after these steps; still open."""
    router = world.open(url)
    for number in range(first, last):
        world.step(router, number)
    router.flush()
    return router


def slip_in(url: str, garbage: Mapping[str, Any]) -> None:
    """Append feedback as a version with a fault would, without a number."""
    database = database_at(url)
    feedback = tables.feedback
    row: dict[str, Any] = {
        "router_id": 1,
        "body": BODY,
        "objective_group": "quality",
        # The highest that there is: what was reported before has revisions of its own.
        "revision": 100,
        "arrival": 10**9,
        "worker": None,
        "arm_id": 1,
        "grid_values": grid(1),
        "grid_previous": None,
        "outcomes": "{}",
        "payload": bytes(16),
        "kind": "outcome",
        "received_us": 0,
    }
    database.write("slipped in", lambda connection: connection.execute(insert(feedback), [{**row, **garbage}]))
    database.dispose()


def spoil(url: str, change: Mapping[str, Any], table: Any = tables.decision, **where: Any) -> None:
    """Edit rows by hand."""
    database = database_at(url)
    here = [table.c[name] == value for name, value in (where or {"body": BODY}).items()]
    database.write("edited", lambda connection: connection.execute(update(table).where(*here).values(**change)))
    database.dispose()


def never_mind(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mistake: to take every row for one of ours.

    Private names, since it replaces what is inside.
    """

    def all_of_them(rows: Rows, found: Any) -> list[FeedbackRecord]:
        return to_feedbacks(found, rows._arms)

    def together(folder: Folder, _: Any, blob: Any, rows: Any) -> Any:
        return folder._fold(blob, rows)

    monkeypatch.setattr(Rows, "feedback", all_of_them)
    monkeypatch.setattr(Folder, "_one_by_one", together)


@cache
def without(steps: int) -> tuple[str, list[Any]]:
    """What is learned and chosen in so many steps where there is no garbage."""
    world = World()
    with lived(None, 0, steps, world) as router:
        return router.digest(), choices(world)


def choices(world: World) -> list[Any]:
    """Arms and predictions, without the place in the log, which counts the garbage too."""
    return [choice[:-1] for choice in world.chosen]


@pytest.mark.parametrize(("url", "garbage"), cases(GARBAGE), indirect=["url"])
def test_a_row_that_cannot_be_learned_is_set_aside_alone(
    url: str, garbage: Mapping[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """All else is learned, by all workers alike, and as it would be without that row."""
    digest, chosen = without(2 * STEPS)
    world = World()
    lived(url, 0, STEPS, world).close()
    slip_in(url, garbage)
    with caplog.at_level(logging.ERROR, "banditroute"):
        router = lived(url, STEPS, 2 * STEPS, world)
        router.sync()
        other = world.open(url)
    assert caplog.text.count("cannot be learned, and is skipped") == 1
    for each in (router, other):
        health = each.health()
        assert (health.pending, health.quarantined, health.unreadable) == (0, 1, 0)
        assert each.digest() == digest
        each.close()
    assert choices(world) == chosen
    with world.open(url) as again:
        assert again.digest() == digest
    (verdict,) = verify(url, fold_of)
    (finding,) = verdict.findings
    assert finding.endswith("could not be learned when it arrived, and is skipped")


def test_without_the_quarantine_nothing_is_learned_any_more(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control: on SQLite nothing is stored any more, elsewhere it waits for ever."""
    never_mind(monkeypatch)
    world = World()
    lived(url, 0, STEPS, world).close()
    slip_in(url, GARBAGE["beyond the exact sums"])
    router = world.open(url)
    world.step(router, STEPS)
    with suppress(BanditRouteError):
        router.flush()
    health = router.health()
    assert health.pending > 0
    assert (health.lost > 0) == url.startswith("sqlite")
    with suppress(InvalidArgumentError):
        router.close()


DAMAGE: Mapping[str, Mapping[str, Any]] = {
    "probabilities": {"probabilities": b"garbage!"},
    "probabilities of nobody": {"probabilities": b""},
    "no numbers": {"mean": struct.pack("<9d", *[float("nan")] * 9)},
    "half a mean": {"mean": b"half"},
    "arm of nobody": {"arm_id": 999_999},
    "arms of nobody": {"arm_ids": grid(1, 2, 999_999)},
    "excluded": {"excluded": "ghost"},
    "preferences": {"preferences": "]"},
    "effects": {"effects": "[1,"},
    "effects of nobody": {"effects": "[1]"},
    "features": {"features": b"odd"},
    "too few features": {"features": bytes(8)},
    "features beyond their bounds": {"features": struct.pack("<4i", 1, 2, 3, -(2**31))},
}


@pytest.mark.parametrize(("url", "damage"), cases(DAMAGE), indirect=["url"])
def test_a_decision_that_cannot_be_read_is_passed_over(url: str, damage: Mapping[str, Any]) -> None:
    """By each opening alike; requests are routed, and everything else is learned."""
    world = World()
    lived(url, 0, STEPS, world).close()
    spoil(url, damage)
    digests = []
    for step in (0, 1):
        router = lived(url, STEPS + step, STEPS + step + 1, world)
        health = router.health()
        assert (health.pending, health.lost, health.n_decisions) == (0, 0, STEPS + step + 1)
        assert health.unreadable >= 1
        router.sync()
        digests.append(router.digest())
        with world.open(url) as other:
            assert other.digest() == router.digest()
        with pytest.raises(DecisionExpiredError, match="cannot read the decision of this feedback"):
            router.feedback(world.ids[SPOILT - 1], amend=True, quality=0.25).wait(30)
        router.close()
    assert digests[0] != digests[1]
    (verdict,) = verify(url, fold_of)
    assert any(finding.startswith(f"decision number {SPOILT} is skipped") for finding in verdict.findings)


def test_without_passing_over_no_worker_opens(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control, which replaces a check inside, hence the private name."""
    monkeypatch.setattr(Rows, "decisions", lambda rows, found: to_decisions(found, rows._arms))
    world = World()
    lived(url, 0, STEPS, world).close()
    spoil(url, {**DAMAGE["probabilities of nobody"], **DAMAGE["half a mean"]})
    with pytest.raises(ValueError, match="buffer size"):
        world.open(url)


def test_what_was_refused_may_be_said_again(url: str) -> None:
    """It is a revision that takes nothing out, and all workers learn it."""
    world = World()
    router = lived(url, 0, STEPS, world)
    unsaid = next(number for number, each in enumerate(world.ids, 1) if not router.why(each).feedback).to_bytes(
        16, "big"
    )
    router.close()
    slip_in(url, {"body": unsaid, "revision": 0, "grid_values": grid(2**62)})
    with world.open(url) as router, world.open(url) as other:
        assert router.health().quarantined == 1
        before = other.digest()
        router.feedback(world.ids[int.from_bytes(unsaid, "big") - 1], quality=0.5).wait(30)
        router.sync()
        other.sync()
        assert before != other.digest() == router.digest()
        digest = router.digest()
    with world.open(url) as again:
        assert again.digest() == digest
        (said,) = again.why(world.ids[int.from_bytes(unsaid, "big") - 1]).feedback
        assert (said.revision, said.previous) == (1, None)
    (verdict,) = verify(url, fold_of)
    assert len(verdict.findings) == 1


def test_what_was_never_put_in_is_not_taken_out(url: str) -> None:
    """Neither where its amendment waited too, nor where it was spoilt after both were learned."""
    database, world = database_at(url), World()
    router = lived(url, 0, STEPS, world)
    identity = next(each for each in world.ids if not router.why(each).feedback)
    unsaid = (world.ids.index(identity) + 1).to_bytes(16, "big")
    before = router.digest()
    router.close()
    slip_in(url, {"body": unsaid, "revision": 0, "grid_values": grid(2**62)})
    slip_in(url, {"body": unsaid, "revision": 1, "grid_values": grid(9), "grid_previous": grid(5)})
    with world.open(url) as router:
        router.feedback(identity, amend=True, quality=0.5).wait(30)
        router.sync()
        assert before != router.digest()
        digest = router.digest()
    assert len(verify(url, fold_of)[0].findings) == 1
    with database.read("looking") as connection:
        feedback = tables.feedback.c
        query = select(feedback.grid_values, feedback.grid_previous).where(feedback.body == unsaid)
        rows = connection.execute(query.where(feedback.revision > 0).order_by(feedback.revision)).all()
    database.dispose()
    assert [tuple(row) for row in rows] == [(grid(9), None), (grid(1 << 15), grid(9))]
    spoil(url, {"grid_values": grid(1, 2, 3)}, tables.feedback, body=unsaid, revision=1)
    with world.open(url) as router:
        assert router.health().unreadable == 1
        assert router.digest() == digest


def test_sums_that_are_full_refuse_what_does_not_fit(tmp_path: Path) -> None:
    """A fold may refuse a row though it is one of the router's: that row alone is set aside."""

    def full(blobs: Mapping[StateKey, bytes], rows: Sequence[FeedbackRecord]) -> Mapping[StateKey, bytes]:
        if any(row.values == (7,) for row in rows):
            raise InvalidArgumentError("sums would leave int64; nothing was added", code="sums.overflow")
        return summing(blobs, rows)

    store = SqlStore(f"sqlite:///{tmp_path}/routing.db")
    store.open(SPEC, ARMS, PREFERENCES, secret=SECRET, fold=full, resolve=reporting)
    decisions = [a_decision(number) for number in range(1, 20)]
    append(store, *decisions, *(feedback_of(each, each.number) for each in decisions))
    assert store.health().quarantined == 1
    said = [record.values for record in store.events() if isinstance(record, FeedbackRecord)]
    assert said == [(number,) if number != 7 else None for number in range(1, 20)]
    store.close()


def test_what_follows_garbage_in_one_fold_is_learned(url: str) -> None:
    bodies = [number.to_bytes(16, "big") for number in (4, 6)]
    store = SqlStore(url)
    open_router(store)
    append(store, a_decision(4), a_decision(6))
    store.close()
    slip_in(url, {"body": bodies[0], "revision": 0, "grid_previous": grid(5)})
    slip_in(url, {"body": bodies[1], "revision": 1, "grid_values": grid(7), "arrival": 10**9 + 1})
    store = SqlStore(url)
    open_router(store)
    store.flush()
    found = [(each.group, each.values) for each in store.events() if isinstance(each, FeedbackRecord)]
    assert found == [("", None), ("quality", (7,))]
    store.close()


def test_the_reason_for_a_refusal_repeats_no_value() -> None:
    assert safe_reason(ValueError("could not convert 'a customer' to float")) == "it cannot be read (ValueError)"
    assert safe_reason(StoreError("a sentence of ours")) == "a sentence of ours"
