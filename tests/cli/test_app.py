import os
import subprocess
import sys
from importlib.metadata import version
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


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"banditroute {version('banditroute')}\n"


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8"])
def test_output_in_the_encoding_of_the_terminal(tmp_path: Path, encoding: str) -> None:
    rows = "".join(f"{number / 40},{number % 2},{(number + 1) % 2}\n" for number in range(40))
    (tmp_path / "log.csv").write_text(f"x_0,quality__a,quality__b\n{rows}")
    done = subprocess.run(
        [sys.executable, "-m", "banditroute", "replay", "log.csv", "--prefer", "quality=1", "--seeds", "2"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
        check=True,
    )
    shown = done.stdout.decode(encoding)
    assert ("─" if encoding == "utf-8" else "----") in shown


def test_a_plot_that_could_not_be_written_is_refused_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", "none.csv", "--plot", str(tmp_path / "out.xyz")]) == 2
    assert "the name must end with .png, .svg, .pdf" in capsys.readouterr().err
