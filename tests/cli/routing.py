"""Running a command and reading its JSON."""

import json
from typing import Any

import pytest

from banditroute.cli import main


def run(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> Any:
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)
