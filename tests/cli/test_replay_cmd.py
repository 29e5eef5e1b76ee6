"""``banditroute replay``: tables, JSON, plots and refusals."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from banditroute.cli import main
from banditroute.evaluation import Workload
from tests.evaluation.tables import small_workload


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Write a small workload as CSV and return its path."""
    workload = small_workload(20)
    columns = {f"x_{i}": workload.features[:, i] for i in range(2)}
    for metric, cells in workload.outcomes.items():
        columns |= {f"{metric}__{arm}": cells[:, i] for i, arm in enumerate(workload.arms)}
    lines = [
        ",".join(columns),
        *(",".join(map(repr, row)) for row in np.column_stack([*columns.values()]).tolist()),
    ]
    path = tmp_path / "w.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_replay_prints_the_table_with_its_units(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(file), "--policy", "linucb", "--policy", "fixed:small", "--seeds", "2"]) == 0
    out, err = capsys.readouterr()
    for word in ("linucb", "fixed:small", "oracle", "one unit of utility is quality from 0 to 1, cost_usd 0."):
        assert word in out
    assert err == ""


def test_replay_prints_json(file: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", small_workload(20).features)
    arguments = [
        "replay",
        str(file),
        "--features",
        str(tmp_path / "x.npy"),
        "--policy",
        "linucb",
        "--policy",
        "lints",
    ]
    assert main([*arguments, "--prefer", "quality=1,cost_usd=0.3", "--seeds", "2", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert list(data["policies"]) == ["linucb", "lints"]
    for measure in ("utility", "quality", "cost_usd", "regret"):
        interval = data["policies"]["lints"][measure]
        assert interval["low"] <= interval["mean"] <= interval["high"]
    cells = Workload.read(file).outcomes["cost_usd"]
    quality, cost = data["objectives"]
    assert quality == {"name": "quality", "goal": "max", "bounds": [0, 1], "scale": None}
    assert (cost["name"], cost["goal"]) == ("cost_usd", "min")
    assert cost["scale"] == cost["bounds"][1] == pytest.approx(np.quantile(cells, 0.95))


def test_replay_takes_bounds_columns_and_draws(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plot = file.parent / "plot.png"
    arguments = ["--features", "x_1", "--bound", "cost_usd=0:0.5", "--order", "recorded", "--seeds", "1"]
    assert main(["replay", str(file), *arguments, "--plot", str(plot)]) == 0
    assert "cost_usd 0.5" in capsys.readouterr().out
    assert plot.stat().st_size > 1000


@pytest.mark.parametrize(
    ("given", "unit"),
    [("--scale=cost_usd=0.25", "cost_usd 0.25"), ("--bound=cost_usd=0.1:0.5", "cost_usd from 0.1 to 0.5")],
)
def test_replay_takes_the_unit_of_a_resource(
    given: str, unit: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", str(file), "--policy", "uniform", given, "--seeds", "1"]) == 0
    assert f"one unit of utility is quality from 0 to 1, {unit}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--policy", "best"], "unknown policy 'best'; choose from: linucb"),
        (["--policy", "fixed:"], "unknown policy 'fixed:'"),
        (["--policy", "fixed:huge"], "unknown arm 'huge'"),
        (["--policy", "linucb", "--policy", "linucb"], "given twice"),
        (["--prefer", "speed=1"], "unknown objective 'speed'"),
        (["--prefer", "quality"], "must read NAME=WEIGHT"),
        (["--scale", "cost_usd"], "must read NAME=VALUE"),
        (["--scale", "cost_usd=0"], "scale of objective 'cost_usd'"),
        (["--scale", "speed=1"], "scales name 'speed', which is not among the preferences"),
        (["--prefer", "quality=much"], "finite number, got 'much'"),
        (["--prefer", "quality=nan"], "finite number, got 'nan'"),
        (["--prefer", "quality=-1"], "must be finite and at least 0"),
        (["--prefer", "quality=1,quality=2"], "given twice"),
        (["--bound", "cost_usd=1"], "must read NAME=LOW:HIGH"),
        (["--bound", "cost_usd=2:1"], "lo < hi"),
        (["--bound", "latency_s=0:1"], "not among the preferences"),
        (["--seeds", "0"], "seeds = 0"),
        (["--seeds", "many"], "integer"),
        (["--order", "sorted"], "'sorted'"),
        (["--features", "none.npy"], "there is no file none.npy"),
        (["--features", "x_9"], "no feature column 'x_9'"),
        (["--plot", "none/here/plot.png"], "none/here does not exist"),
    ],
)
def test_replay_refuses_with_a_sentence_and_writes_nothing(
    file: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    before = sorted(file.parent.iterdir())
    assert main(["replay", str(file), *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert "Traceback" not in err
    assert sorted(file.parent.iterdir()) == before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x_0,quality__a,quality__b\n1,2\n", "line 2 has 2 cells, expected 3"),
        ("x_0,quality__a,cost_usd__a\n1,1,inf\n", "infinite"),
        ("x_0,quality__a,cost_usd__a\nnan,1,1\n", "no value in row 1"),
        ("x_0,quality__a\n1,1\n", "unknown objective 'cost_usd'"),
        ("x_0,quality__a,cost_usd__a\n1,3,1\n", "outside [0, 1]"),
        ("x_0,quality__a,quality__b,cost_usd__a\n1,1,1,1\n", "no column 'cost_usd__b'"),
    ],
)
def test_replay_refuses_broken_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str
) -> None:
    (tmp_path / "w.csv").write_text(text, encoding="utf-8")
    assert main(["replay", str(tmp_path / "w.csv"), "--json"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert err.count("\n") == 1


def test_replay_takes_policy_controllers_and_preferences_of_a_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log, file = tmp_path / "log.csv", tmp_path / "router.toml"
    rows = ["query_id,arm,x_0,quality,cost_usd"]
    for number in range(40):
        rows += [
            f"{number},{arm},{number % 5 / 5},{number % 3 / 2},{cost}" for arm, cost in (("a", 0.01), ("b", 0.02))
        ]
    log.write_text("\n".join(rows) + "\n", encoding="utf-8")
    file.write_text(
        'name = "ours"\npreferences = { quality = 1, cost_usd = 0.5 }\n[[arms]]\nname = "a"\n[policy]\n'
        'kind = "uniform"\n[[controllers]]\nkind = "budget"\nusd_per_request = 0.015\n',
        encoding="utf-8",
    )
    command = ["replay", str(log), "--config", str(file), "--policy", "uniform", "--seeds", "2", "--json"]
    assert main(command) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found["policies"]) == ["ours", "uniform"]
    assert found["preferences"] == {"quality": 1.0, "cost_usd": 0.5}
    assert main([*command, "--prefer", "quality=1"]) == 0
    assert json.loads(capsys.readouterr().out)["preferences"] == {"quality": 1.0}


def test_after_ctrl_c_the_complete_seeds_are_printed(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def interrupted(_what: str) -> Iterator[Callable[[int, int], None]]:
        def progress(done: int, _total: int) -> None:
            if done == 3:
                raise KeyboardInterrupt

        yield progress

    monkeypatch.setattr("banditroute.cli.replay_cmd.progress_bar", interrupted)
    arguments = ["replay", str(file), "--policy", "linucb", "--policy", "uniform", "--seeds", "5"]
    assert main(arguments) == 130
    out, err = capsys.readouterr()
    assert "1 seed" in out
    assert err == "interrupted: these are the figures of 1 of 5 seeds\n"
