"""Workers of the schema before beside workers of this one: right, or refused with a sentence."""

import subprocess
from pathlib import Path

import pytest

from banditroute import Arm, Router
from banditroute.errors import SchemaVersionError
from banditroute.router.log_check import fold_of
from banditroute.store.maintenance.upgrade import upgrade
from banditroute.store.maintenance.verify import verify
from banditroute.testing.world import url
from tests.server import NotHere
from tests.store.earlier import command, earlier_version, environment, old_worker


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as it was at that commit."""
    try:
        return earlier_version(tmp_path_factory.mktemp("earlier"))
    except NotHere as missing:
        pytest.skip(str(missing))


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    if request.param == "sqlite":
        return url(tmp_path / "svc.db")
    fresh: str = request.getfixturevalue("postgres_url")
    return fresh


def svc(store: str) -> Router:
    return Router("svc", arms=[Arm("a"), Arm("b")], store=store, seed=2)


def test_a_worker_that_was_open_during_the_upgrade_continues_beside_new_ones(earlier: Path, store: str) -> None:
    with old_worker(store, earlier) as old:
        assert old.ask("go") == "healthy 0"
        with pytest.raises(SchemaVersionError, match="banditroute db upgrade"):
            svc(store)
        upgrade(store)
        assert old.ask("go") == "healthy 0"
        with svc(store) as new:
            for number in range(50):
                new.feedback(new.route([number / 50, 0.1]).id, quality=0.25).wait(60)
            assert old.ask("go") == "healthy 0"
            new.sync()
            digest = old.ask("digest")
            new.sync()
            assert new.digest() == digest
            assert (new.health().n_decisions, new.health().n_feedback, new.health().lost) == (200, 200, 0)
            old.ask("end")
    assert not verify(store, fold_of)[0].findings


def test_a_worker_of_the_earlier_version_does_not_open_the_new_schema(earlier: Path, store: str) -> None:
    svc(store).close()
    done = subprocess.run(
        command(store), env=environment(earlier), input="", capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert done.stderr.strip().splitlines()[-1].startswith("banditroute.errors.SchemaVersionError: ")
