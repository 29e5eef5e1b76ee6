"""``banditroute why``."""

from pathlib import Path

import pytest

from banditroute.cli import main
from banditroute.core.arms import Arm
from banditroute.router import Router
from tests.cli.routing import run


def test_why_explains_a_decision(store: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    explained = run(["why", *store], capsys)
    assert explained["decision_id"] == store[1]
    assert [item["outcomes"] for item in explained["feedback"]] == [{"quality": 0.75}]
    assert main(["why", *store]) == 0
    assert "was chosen with probability" in capsys.readouterr().out


def test_why_refuses_ids_of_other_routers(
    store: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Router("other", arms=[Arm("a")]) as other:
        foreign = other.route([1.0]).id
    for wrong in (foreign, "nonsense"):
        assert main(["why", store[0], wrong]) == 2
        assert "is not an id that a router of this database issued" in capsys.readouterr().err
