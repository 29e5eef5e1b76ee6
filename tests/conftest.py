"""What every test starts from: faults escape, and the recorded workloads are found or their tests are skipped."""

import os
from pathlib import Path

import pytest

from banditroute.barrier import Barrier


@pytest.fixture(autouse=True)
def _faults_escape(monkeypatch: pytest.MonkeyPatch) -> None:
    """No fault hides behind the fallback; a test of the barrier closes it again."""
    monkeypatch.setattr(Barrier, "faults_escape", True)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Where the recorded workloads are: ``BANDITROUTE_SHARED``, or ``shared`` beside the repository."""
    place = Path(os.environ.get("BANDITROUTE_SHARED", Path(__file__).parents[2] / "shared"))
    data = place / "data" if (place / "data").is_dir() else place
    if not data.is_dir():
        pytest.skip("the recorded workloads are not beside this checkout; BANDITROUTE_SHARED says where they are")
    return data
