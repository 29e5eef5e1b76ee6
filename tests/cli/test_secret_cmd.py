"""The command line of the stored secrets."""

import json
from pathlib import Path

import pytest

from banditroute.cli import main
from banditroute.core.ids import random_key
from banditroute.testing.world import a_router, a_vector, url


def shown(where: str, capsys: pytest.CaptureFixture[str]) -> dict[str, list[str] | str]:
    assert main(["db", "secret", "show", where, "--router", "world", "--json"]) == 0
    facts: dict[str, list[str] | str] = json.loads(capsys.readouterr().out)
    return facts


def test_rotate_show_and_drop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = url(tmp_path / "routing.db")
    with a_router(where, secret=None, ids=random_key) as router:
        decision_id = router.route(a_vector(1)).id
    first = shown(where, capsys)
    assert first["accepted"] == []
    assert main(["db", "secret", "rotate", where, "--router", "world"]) == 0
    assert "ids under the old one stay valid" in capsys.readouterr().out
    second = shown(where, capsys)
    assert second["accepted"] == [first["issuing"]]
    assert main(["db", "secret", "show", where, "--router", "world"]) == 0
    assert capsys.readouterr().out == f"issuing   {second['issuing']}\naccepted  {first['issuing']}\n"
    assert main(["why", where, decision_id]) == 0
    capsys.readouterr()
    assert main(["db", "secret", "drop", where, "--router", "world"]) == 0
    assert capsys.readouterr().out == "dropped 1 accepted secrets of router 'world'; restart its workers\n"
    assert main(["why", where, decision_id]) == 2


@pytest.mark.parametrize("command", ["show", "rotate", "drop"])
def test_a_router_must_be_named_and_exist(
    tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    where = url(tmp_path / "routing.db")
    a_router(where).close()
    assert main(["db", "secret", command, where]) == 2
    assert "no router is named; give --router NAME, or --config FILE" in capsys.readouterr().err
    assert main(["db", "secret", command, where, "--router", "other"]) == 2
    assert "no router 'other' in this database" in capsys.readouterr().err
