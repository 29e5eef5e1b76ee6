import subprocess
import sys
from pathlib import Path

import pytest

from banditroute.cli import main


@pytest.mark.parametrize("command", [["status"], ["why"]])
def test_reading_creates_no_database(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    path = tmp_path / "none.db"
    rest = ["some-id"] if command == ["why"] else []
    assert main([*command, f"sqlite:///{path}", *rest]) == 2
    assert "none.db" in capsys.readouterr().err
    assert not path.exists()


def test_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "banditroute", "--help"], capture_output=True, text=True, check=True
    )
    assert all(command in done.stdout for command in ("demo", "replay", "status", "why"))


def test_unknown_options_are_usage_errors(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", "--nope"]) == 2
    assert "--nope" in capsys.readouterr().err


def test_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name in [name for name in sys.modules if name.startswith("banditroute.cli.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "typer", None)
    assert main(["status", "sqlite:///x.db"]) == 2
    assert "banditroute[cli]" in capsys.readouterr().err
