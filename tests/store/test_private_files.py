"""Files of a store and what other users may do to them."""

import os
import stat
from pathlib import Path

import pytest

from banditroute.core.ids import random_key
from banditroute.core.runtime.private_files import problem_of
from banditroute.errors import InvalidArgumentError
from banditroute.store.sql.store import SqlStore
from banditroute.testing.world import a_router, a_vector, url

pytestmark = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs the permissions of POSIX")


def test_the_files_of_a_store_are_private_to_their_owner(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    with a_router(url(path), ids=random_key) as router:
        router.route(a_vector(1)).wait(30)
        modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()}
    assert modes == {"r.db": 0o600, "r.db-wal": 0o600, "r.db-shm": 0o600}


@pytest.mark.parametrize("fault", ["open", "link"])
def test_a_spool_directory_that_others_can_write_is_refused(tmp_path: Path, fault: str) -> None:
    spool = tmp_path / "spool"
    if fault == "open":
        spool.mkdir()
        spool.chmod(0o777)
        said = "spool directory '.*spool' can be written by other users; .* chmod 700"
    else:
        (tmp_path / "elsewhere").mkdir()
        spool.symlink_to(tmp_path / "elsewhere")
        said = "spool directory '.*spool' is a symbolic link"
    with pytest.raises(InvalidArgumentError, match=said):
        a_router(SqlStore(url(tmp_path / "r.db"), spool=spool))


def test_a_database_that_others_can_write_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    with a_router(url(path), ids=random_key) as router:
        router.route(a_vector(1)).wait(30)
    path.chmod(0o666)
    with pytest.raises(InvalidArgumentError, match=r"database '.*r.db' can be written by other users"):
        a_router(url(path))
    path.chmod(0o660)
    (tmp_path / "current.db").symlink_to(path)
    with a_router(url(tmp_path / "current.db"), ids=random_key) as router:
        assert router.health().n_decisions == 1


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() != 0, reason="only root can give a file away")
def test_a_database_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "r.db"
    a_router(url(path)).close()
    os.chown(path, 12_345, -1)
    a_router(url(path)).close()
    # Root may use any file; another user may not.
    monkeypatch.setattr(os, "geteuid", lambda: 54_321)
    with pytest.raises(InvalidArgumentError, match="belongs to another user"):
        a_router(url(path))


def test_a_planted_spool_is_not_learned(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, spool = tmp_path / "r.db", tmp_path / "r.db.spool"
    with a_router(url(path), ids=random_key) as router:
        path.rename(tmp_path / "away.db")
        router.route(a_vector(1)).wait(30)
    (tmp_path / "away.db").rename(path)
    (planted,) = spool.glob("*.spool")
    planted.chmod(0o666)
    with a_router(url(path), ids=random_key) as router:
        assert router.health().n_decisions == 0
    assert "it, or its directory, can be written by other users" in caplog.text
    planted.chmod(0o600)
    with a_router(url(path), ids=random_key) as router:
        router.sync()
        assert router.health().n_decisions == 1


def test_problems(tmp_path: Path) -> None:
    (tmp_path / "file").touch(mode=0o660)
    (tmp_path / "file").chmod(0o664)
    (tmp_path / "group").mkdir()
    (tmp_path / "group").chmod(0o770)
    assert problem_of(tmp_path / "none") is None
    assert problem_of(tmp_path / "file") is None
    assert problem_of(tmp_path / "group") == "can be written by other users"
