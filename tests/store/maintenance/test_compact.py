"""A log whose beginning was let go means what it meant."""

import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from banditroute import Router
from banditroute.controllers import Onboarding
from banditroute.core.log import Position
from banditroute.errors import DecisionExpiredError, InvalidArgumentError, SnapshotCorruptError, StoreError
from banditroute.router.log_check import agrees, fold_of
from banditroute.store.databases.url import database_at
from banditroute.store.maintenance.compact import DAY_US, Compaction, compact
from banditroute.store.maintenance.verify import Verdict, verify
from banditroute.store.schema import tables
from banditroute.testing.world import START, World, a_router, url

STEPS, OLD = 170, 100
NOW_US = int((START + OLD) * 1e6) + 90 * DAY_US


@pytest.fixture(autouse=True)
def _frequent_snapshots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("banditroute.learning.posterior.model.REFRESH_EVERY", 32)


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return url(tmp_path / "routing.db")
    found: str = request.getfixturevalue("postgres_url")
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "routing.db"
    lived(url(path))
    return path


def lived(store: str) -> World:
    world = World()
    with world.open(store) as router:
        go_on(world, router, STEPS)
    return world


def go_on(world: World, router: Router, steps: int) -> None:
    first = len(world.ids)
    for number in range(first, first + steps):
        world.step(router, number)
        if number % 8 == 0:
            router.sync()


def compacted(store: str, **changes: Any) -> Compaction:
    settings: dict[str, Any] = {"older_than_days": 90, "now_us": NOW_US} | changes
    return compact(store, fold_of, agrees, **settings)[0]


def verdict(store: str) -> Verdict:
    return verify(store, fold_of)[0]


def rows(store: str) -> tuple[int, int]:
    database = database_at(store)
    with database.read("counting") as connection:
        counts = [
            connection.scalar(select(func.count()).select_from(table))
            for table in (tables.decision, tables.feedback)
        ]
    database.dispose()
    return counts[0] or 0, counts[1] or 0


def execute(path: Path, statement: str, *values: object) -> None:
    database = sqlite3.connect(path)
    with database:
        assert database.execute(statement, values).rowcount
    database.close()


def test_a_compacted_log_goes_on_as_if_it_were_whole(store: str) -> None:
    whole, parts = World(), lived(store)
    reference = whole.open()
    go_on(whole, reference, STEPS)
    before = rows(store)
    would = compacted(store, dry_run=True)
    assert (rows(store), verdict(store).compacted) == (before, Position())
    done = compacted(store)
    assert done == would
    assert 0 < done.up_to.n_decisions <= OLD
    assert done.decisions > 20
    assert done.feedback > 20
    assert rows(store) == (before[0] - done.decisions, before[1] - done.feedback)
    found = verdict(store)
    assert (found.findings, found.compacted, found.replayed > 0) == ((), done.up_to, True)
    with parts.open(store) as router:
        assert router.digest() == reference.digest()
        go_on(whole, reference, 30)
        go_on(parts, router, 30)
        assert parts.chosen == whole.chosen
        assert router.digest() == reference.digest()
        assert router.health().n_decisions == STEPS + 30
        with pytest.raises(DecisionExpiredError, match=r"older than the \d+-day retention; feedback not recorded"):
            router.feedback(parts.ids[0], quality=0.5, amend=True)
    assert not verdict(store).findings
    again = compacted(store)
    assert (again.up_to, again.decisions, again.feedback) == (done.up_to, 0, 0)
    later = compacted(store, now_us=NOW_US + 10**15)
    assert later.up_to > done.up_to
    assert not verdict(store).findings
    with parts.open(store) as router:
        assert router.digest() == reference.digest()


def test_a_router_that_is_open_learns_of_the_horizon(store: str) -> None:
    world = lived(store)
    with world.open(store) as router:
        compacted(store)
        router.sync()
        with pytest.raises(DecisionExpiredError):
            router.feedback(world.ids[0], quality=0.5, amend=True)
        assert router.feedback(world.ids[-1], quality=0.5, amend=True).status == "recorded"


def test_what_young_feedback_needs_stays(path: Path) -> None:
    gone = compacted(url(path)).up_to
    database = sqlite3.connect(path)
    late = database.execute(
        "SELECT count(*) FROM br_decision d JOIN br_feedback f USING (router_id, body) "
        "WHERE d.decided <= ? AND f.learned > ?",
        gone[::-1],
    ).fetchone()[0]
    lonely = database.execute(
        "SELECT count(*) FROM br_feedback f LEFT JOIN br_decision d USING (router_id, body) WHERE d.body IS NULL"
    ).fetchone()[0]
    database.close()
    assert (late > 0, lonely) == (True, 0)


def test_nothing_is_deleted_where_the_log_and_the_snapshot_differ(path: Path) -> None:
    execute(path, "UPDATE br_feedback SET grid_values = zeroblob(length(grid_values)) WHERE learned = 7")
    before = rows(url(path))
    with pytest.raises(StoreError, match="is not the sum of its log; nothing was deleted"):
        compacted(url(path))
    assert rows(url(path)) == before
    assert verdict(url(path)).findings


def test_a_rotten_snapshot_is_passed_over_and_without_any_the_router_stays_shut(path: Path) -> None:
    with a_router(url(path), preferences=None) as router:
        digest = router.digest()
    compacted(url(path))
    newest = "learned = (SELECT max(learned) FROM br_snapshot)"
    execute(path, f"UPDATE br_snapshot SET blob = x'00' WHERE {newest}")  # noqa: S608  (a constant)
    assert [finding for finding in verdict(url(path)).findings if "fails its checksum" in finding]
    with a_router(url(path), preferences=None) as router:
        assert router.digest() == digest
    execute(path, "UPDATE br_snapshot SET blob = x'00'")
    with pytest.raises(SnapshotCorruptError, match="no snapshot is good, and the log from before it was"):
        a_router(url(path), preferences=None)
    assert any("the router cannot be opened" in finding for finding in verdict(url(path)).findings)


def test_with_other_controllers_a_compacted_router_stays_shut(path: Path) -> None:
    compacted(url(path))
    with pytest.raises(SnapshotCorruptError, match="open it with the controllers that it had"):
        a_router(url(path), preferences=None, controllers=[Onboarding()])


@pytest.mark.parametrize("rotten", ["br_state", "br_base"])
def test_rotten_sums_are_made_anew_from_the_base_and_the_rest(path: Path, rotten: str) -> None:
    world = World()
    with world.open() as reference:
        go_on(world, reference, STEPS)
        reference.feedback(world.ids[-1], quality=0.25, amend=True)
        digest = reference.digest()
    compacted(url(path))
    execute(path, f"UPDATE {rotten} SET blob = x'00'")  # noqa: S608  (a constant)
    found = verdict(url(path)).findings
    if rotten == "br_base":
        assert any("and their log was compacted; restore a backup" in finding for finding in found)
        return
    assert any("fail their checksum; the next fold" in finding for finding in found)
    with World(ids=list(world.ids)).open(url(path)) as router:
        for number in (-1, -2, -3, -4, -5, -6, -7, -8):
            router.feedback(world.ids[number], quality=0.25, amend=True)
            if number == -1:
                assert router.digest() == digest
    rest = [finding for finding in verdict(url(path)).findings if "differ from the replay" in finding]
    healed = len([finding for finding in found if "differ" in finding]) - len(rest)
    assert healed > 0


def test_forgetting_leaves_the_base(path: Path) -> None:
    ids = World()
    with ids.open() as reference:
        go_on(ids, reference, STEPS)
    compacted(url(path))
    shutil.copyfile(path, path.with_name("other.db"))
    with World(ids=list(ids.ids)).open(url(path)) as router:
        assert router.forget(decisions=ids.ids[-3:]) > 0
        digest = router.digest()
    with a_router(url(path), preferences=None) as router:
        assert router.digest() == digest
    assert not verdict(url(path)).findings
    # A decision that stayed for its young feedback, from before the end of what is gone.
    database = sqlite3.connect(path)
    kept = database.execute("SELECT min(decided) FROM br_decision").fetchone()[0]
    database.close()
    with (
        World(ids=list(ids.ids)).open(url(path)) as router,
        pytest.raises(StoreError, match="is older than the compaction horizon"),
    ):
        router.forget(decisions=[ids.ids[kept - 1]])


def test_what_was_interrupted_is_finished_by_the_next_one(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copyfile(path, tmp_path / "other.db")
    reference = compacted(url(tmp_path / "other.db"))
    with a_router(url(path), preferences=None) as router:
        digest = router.digest()

    def killed(*_: object) -> tuple[int, int]:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        # Private: the moment between two of its transactions.
        patched.setattr("banditroute.store.maintenance.compact._sweep", killed)
        with pytest.raises(KeyboardInterrupt):
            compacted(url(path))
    assert not verdict(url(path)).findings
    with a_router(url(path), preferences=None) as router:
        assert router.digest() == digest
    assert compacted(url(path)) == reference
    assert rows(url(path)) == rows(url(tmp_path / "other.db"))


@pytest.mark.parametrize("days", [0.5, -1.0, float("nan")])
def test_a_day_is_always_kept(path: Path, days: float) -> None:
    with pytest.raises(InvalidArgumentError, match="must be at least 1"):
        compacted(url(path), older_than_days=days)


def _refusal(router: Router) -> StoreError:
    with pytest.raises(StoreError) as caught:
        router.sync()
    return caught.value


def test_a_worker_that_was_opened_while_away_does_not_follow_a_compacted_log(path: Path) -> None:
    assert compacted(url(path)).decisions > 0
    away = path.with_name("away.db")
    path.rename(away)
    path.mkdir()
    world = World()
    with world.open(url(path)) as router:
        path.rmdir()
        away.rename(path)
        # The writer finds the database again within a second.
        while (refusal := _refusal(router)).code == "store.unavailable":
            pass
        assert "was compacted away; close it and open it again" in str(refusal)
        assert refusal.code == "store.incomplete"
        assert router.health().n_feedback == 0
    with world.open(url(path)) as router:
        assert router.health().n_feedback > 0
