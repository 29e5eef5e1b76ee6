"""``banditroute demo``."""

import json
from pathlib import Path

import pytest

from banditroute.cli import main
from banditroute.evaluation import Workload
from tests.evaluation.tables import small_workload


def test_demo_writes_plots_and_prints_their_paths(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(Workload, "bundled", classmethod(lambda _: small_workload(15)))
    out = tmp_path / "plots"
    assert main(["demo", "--seeds", "1", "--out", str(out)]) == 0
    printed = capsys.readouterr()
    assert "oracle" in printed.out
    assert printed.err == ""
    for path in out.iterdir():
        assert str(path) in printed.out
    assert len(list(out.iterdir())) == 4
    assert main(["demo", "--seeds", "1", "--out", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["plots"]
    (tmp_path / "taken").write_text("", encoding="utf-8")
    assert main(["demo", "--out", str(tmp_path / "taken")]) == 2
    assert "is a file" in capsys.readouterr().err
