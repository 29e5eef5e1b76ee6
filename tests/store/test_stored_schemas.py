"""A database that an earlier release wrote opens, goes on, and means what it meant."""

import shutil
import sqlite3
from pathlib import Path

import pytest

from banditroute.cli import main
from banditroute.router.log_check import fold_of
from banditroute.store.maintenance.upgrade import upgrade
from banditroute.store.maintenance.verify import verify
from banditroute.testing import log_of
from banditroute.testing.world import START, Clock, World, a_router, bodies, url
from tests.store import fixture

STORED = sorted((Path(__file__).parent / "fixtures").glob("schema_*.db"))


@pytest.fixture(params=STORED, ids=lambda path: path.stem)
def stored(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def test_a_stored_database_goes_on(stored: Path, tmp_path: Path) -> None:
    expected, copy = fixture.expected_of(stored), tmp_path / "routing.db"
    shutil.copyfile(stored, copy)
    assert stored.stat().st_size < 200_000
    upgrade(url(copy))
    rows = fixture.row_counts(copy)
    assert {table: rows[table] for table in expected["rows"]} == expected["rows"]
    assert not verify(url(copy), fold_of)[0].findings
    lived = expected["steps"]
    world = World(clock=Clock(START + lived))
    with a_router(url(copy), preferences=None, clock=world.clock, ids=bodies(lived + 1)) as router:
        assert router.digest() == expected["digest"]
        world.ids = [log_of(router).keys.issue(number.to_bytes(16, "big")) for number in range(1, lived + 1)]
        for number in range(lived, lived + 10):
            world.step(router, number)
        digest = router.digest()
    assert digest != expected["digest"]
    verdict = verify(url(copy), fold_of)[0]
    assert (verdict.findings, verdict.replayed > expected["rows"]["br_feedback"]) == ((), True)
    with a_router(url(copy), preferences=None) as router:
        assert router.digest() == digest


def test_a_database_with_clipped_costs_keeps_what_it_learned_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Commit ee02f0a wrote it, with a snapshot; its bounds of resources are scales now."""
    stored, copy = Path(__file__).parent / "fixtures" / "ee02f0a.db", tmp_path / "routing.db"
    expected = fixture.expected_of(stored)
    shutil.copyfile(stored, copy)
    upgrade(url(copy))
    steps = expected["steps"]
    for _ in range(2):
        with a_router(url(copy), preferences=None, ids=bodies(steps + 1)) as router:
            assert router.digest() == expected["digest"]
            assert [each.scale for each in router.spec.objectives] == [None, 0.05, 30.0]
        assert main(["status", url(copy)]) == 0
        assert "an earlier release learned costs clipped to their bounds" in capsys.readouterr().out
    with a_router(url(copy), preferences=None, ids=bodies(steps + 1)) as router:
        decision = router.route([0.1, 0.2, 0.3])
        router.feedback(decision.id, cost_usd=0.5, latency_s=45.0)
        (record,) = router.why(decision.id).feedback
        assert record.values == (10 << 16, 3 << 15)
    assert not verify(url(copy), fold_of)[0].findings
    fresh = tmp_path / "fresh.db"
    a_router(url(fresh)).close()
    assert main(["status", url(fresh)]) == 0
    assert "clipped" not in capsys.readouterr().out


def test_a_stored_database_that_was_changed_is_found_out(
    stored: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "routing.db"
    shutil.copyfile(stored, copy)
    upgrade(url(copy))
    database = sqlite3.connect(copy)
    with database:
        database.execute("UPDATE br_feedback SET grid_values = zeroblob(length(grid_values)) WHERE learned = 7")
    database.close()
    assert main(["db", "verify", url(copy)]) == 1
    assert "differ from the replay of the log" in capsys.readouterr().out
