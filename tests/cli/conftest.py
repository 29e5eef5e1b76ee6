"""A database with one router."""

from pathlib import Path

import pytest

from banditroute.core.arms import Arm
from banditroute.core.objectives import Objective
from banditroute.router import Router


@pytest.fixture
def store(tmp_path: Path) -> tuple[str, str]:
    """Return the URL of a database with one router, and the id of one of its decisions."""
    url = f"sqlite:///{tmp_path / 'routing.db'}"
    objectives = [Objective("quality"), Objective("cost_usd", goal="min", bounds=(0, 0.05))]
    with Router("support", arms=[Arm("small"), Arm("large")], objectives=objectives, store=url) as router:
        decision = router.route([0.5, 1.0])
        router.feedback(decision.id, quality=0.75)
        router.route([0.25, 1.0])
    return url, decision.id
