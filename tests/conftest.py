"""What every test starts from: faults escape, and the recorded workloads are found or their tests are skipped."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from banditroute.core.runtime.faults import FaultBarrier
from tests import postgres


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a PostgreSQL server, which is always got from the fixtures below."""
    for item in items:
        if isinstance(item, pytest.Function) and _needs_postgres(item):
            item.add_marker(pytest.mark.postgres)


def _needs_postgres(item: pytest.Function) -> bool:
    # Some ask for the server in their body only. A variant may be an array, which has no one truth.
    variant = item.callspec.params.values() if hasattr(item, "callspec") else ()
    return "postgres_server" in item.fixturenames or any(isinstance(v, str) and v == "postgresql" for v in variant)


@pytest.fixture(autouse=True)
def _faults_escape(monkeypatch: pytest.MonkeyPatch) -> None:
    """No fault hides behind the fallback; a test of the barrier closes it again."""
    monkeypatch.setattr(FaultBarrier, "faults_escape", True)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Where the recorded workloads are: ``BANDITROUTE_SHARED``, or ``shared`` beside the repository."""
    place = Path(os.environ.get("BANDITROUTE_SHARED", Path(__file__).parents[2] / "shared"))
    data = place / "data" if (place / "data").is_dir() else place
    if not data.is_dir():
        pytest.skip("the recorded workloads are not beside this checkout; BANDITROUTE_SHARED says where they are")
    return data


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Server]:
    """One PostgreSQL server for all tests; see :func:`tests.postgres.a_server`."""
    with postgres.a_server() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: postgres.Server) -> Iterator[str]:
    """An empty PostgreSQL database."""
    url = postgres_server.new_database()
    yield url
    postgres_server.take_back(url)
