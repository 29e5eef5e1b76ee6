"""A spool file that is deleted while records wait in it."""

from pathlib import Path

import pytest

from banditroute.core.ids import random_key
from banditroute.store.maintenance import views
from banditroute.store.spool.file import Spool
from banditroute.testing.world import a_router, a_vector, url

N = 10


def stored_after_the_spool_was_deleted(path: Path) -> int:
    """Return how many decisions are stored of 3 N that were acknowledged while the database was away."""
    a_router(url(path), ids=random_key).close()
    with a_router(url(path), ids=random_key) as router:
        router.route(a_vector(0)).wait(30)
        path.rename(path.with_name("away.db"))
        for _ in range(3):
            for number in range(N):
                router.route(a_vector(number)).wait(30)
            for spool in path.with_name(f"{path.name}.spool").glob("*.spool"):
                spool.unlink()
        router.route(a_vector(0)).wait(30)
    path.with_name("away.db").rename(path)
    with a_router(url(path), ids=random_key) as router:
        router.sync()
        assert router.health().lost == 0
    return views.routers(url(path))[0].decisions


def test_records_are_copied_into_a_new_spool(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert stored_after_the_spool_was_deleted(tmp_path / "r.db") == 3 * N + 2
    assert "was deleted or moved while it was open; its records were copied" in caplog.text


def test_without_the_comparison_acknowledged_records_are_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Spool, "is_at_path", True)
    assert stored_after_the_spool_was_deleted(tmp_path / "r.db") == 1
