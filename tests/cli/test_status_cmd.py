"""``banditroute status``."""

import pytest

from banditroute.cli import main
from tests.cli.routing import run


def test_status_shows_routers(store: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    (router,) = run(["status", store[0]], capsys)
    assert (router["name"], router["decisions"], router["feedback"]) == ("support", 2, 1)
    assert router["preferences"] == {"quality": 1.0}
    assert router["objectives"]["cost_usd"] == {"goal": "min", "bounds": [0, 0.05], "scale": 0.05}
    assert sum(arm["decisions"] for arm in router["arms"].values()) == 2
    assert main(["status", store[0]]) == 0
    assert "support: 2 decisions, 1 feedbacks" in capsys.readouterr().out
