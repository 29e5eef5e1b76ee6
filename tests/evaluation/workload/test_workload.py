import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from banditroute.errors import WorkloadError
from banditroute.evaluation import Workload
from tests.evaluation.tables import small_workload

WIDE = [
    {"query_id": "a", "x_0": 0.5, "x_1": -1.0, "prompt": "one", "quality__s": 0.25, "quality__l": 1.0},
    {"query_id": "b", "x_0": 0.0, "x_1": 2.0, "prompt": "three", "quality__s": None, "quality__l": 0.5},
]
LONG = [
    {"query_id": "a", "arm": "s", "x_0": 0.5, "x_1": -1.0, "prompt": "one", "quality": 0.25},
    {"query_id": "a", "arm": "l", "x_0": 0.5, "x_1": -1.0, "prompt": "one", "quality": 1.0},
    {"query_id": "b", "arm": "l", "x_0": 0.0, "x_1": 2.0, "prompt": "three", "quality": 0.5},
]


def write(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    if path.suffix == ".csv":
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    elif path.suffix == ".parquet":
        import pyarrow  # type: ignore[import-untyped]
        from pyarrow import parquet

        parquet.write_table(pyarrow.Table.from_pylist(list(rows)), path)
    else:
        path.write_text("\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
    return path


def changed(rows: Sequence[dict[str, Any]], row: int, **values: Any) -> list[dict[str, Any]]:
    return [{**old, **(values if i == row else {})} for i, old in enumerate(rows)]


@pytest.mark.parametrize("rows", [WIDE, LONG], ids=["wide", "long"])
@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".ndjson", ".parquet"])
def test_every_format_reads_alike(tmp_path: Path, suffix: str, rows: list[dict[str, Any]]) -> None:
    workload = Workload.read(write(tmp_path / f"w{suffix}", rows))
    assert workload.arms == ("s", "l")
    assert workload.query_ids == ("a", "b")
    np.testing.assert_array_equal(workload.features, [[0.5, -1.0], [0.0, 2.0]])
    np.testing.assert_array_equal(workload.outcomes["quality"], [[0.25, 1.0], [np.nan, 0.5]])


@pytest.mark.parametrize("rows", [WIDE, LONG], ids=["wide", "long"])
def test_features_from_names_a_separate_file_and_an_encoder(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    path = write(tmp_path / "w.csv", rows)
    metrics = ["quality"]
    np.testing.assert_array_equal(Workload.read(path, features=["x_1"], metrics=metrics).features, [[-1], [2]])
    np.save(tmp_path / "x.npy", np.array([[1, 2, 3], [4, 5, 6]], dtype=np.float16))
    side = Workload.read(path, features=tmp_path / "x.npy", metrics=metrics)
    np.testing.assert_array_equal(side.features, [[1, 2, 3], [4, 5, 6]])
    encoded = Workload.read(path, features=lambda texts: np.array([[len(t)] for t in texts]), metrics=metrics)
    np.testing.assert_array_equal(encoded.features, [[3], [5]])


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (changed(WIDE, 1, quality__l="much"), "'quality__l' holds 'much' in row 2"),
        (changed(WIDE, 0, quality__l="inf"), "'quality__l' is infinite in row 1"),
        (changed(WIDE, 0, x_1=""), "'x_1' has no value in row 1"),
        (changed(WIDE, 0, x_1="nan"), "'x_1' has no value in row 1"),
        (changed(WIDE, 0, x_1="-inf"), "'x_1' is infinite"),
        (changed(WIDE, 1, query_id="a"), "'a' occurs more than once"),
        ([{**row, "cost_usd__s": 0.1} for row in WIDE], "no column 'cost_usd__l'"),
        ([{"x_0": 1.0, "task": 3}], "neither columns METRIC__ARM"),
        ([{"quality__s": 1.0}], "no feature columns"),
        ([{"x_0": 1.0, "arm": "s", "quality": 1.0}], "no column 'query_id'"),
        ([*LONG, LONG[0]], "row 4 repeats query_id 'a' with arm 's'"),
        (changed(LONG, 1, x_0=0.25), "row 2 has other features than an earlier row of the same query"),
        (changed(LONG, 1, quality="good"), "'quality' holds 'good' in row 2"),
        ([{**row, "quality__s": "", "quality__l": ""} for row in WIDE], "no value at all"),
    ],
)
def test_refuses_invalid_workloads(tmp_path: Path, rows: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(WorkloadError, match=said):
        Workload.read(write(tmp_path / "w.csv", rows))


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("w.csv", "x_0,quality__s\n1,2,3\n", "line 2 has 3 cells, expected 2"),
        ("w.csv", "x_0,quality__s\n1\n", "line 2 has 1 cells, expected 2"),
        ("w.csv", "x_0,x_0\n1,2\n", "'x_0' occurs 2 times"),
        ("w.csv", 'x_0,quality__s\n"1,2\n', "is not CSV"),
        ("w.csv", "x_0,quality__s\n", "no rows"),
        ("w.csv", "", "no rows"),
        ("w.jsonl", '{"x_0": 1}\n{"x_1": 1}\n', "line 2 and the first row differ in the key 'x_0'"),
        ("w.jsonl", '{"x_0": 1\n', "line 1 is not JSON"),
        ("w.jsonl", "[1]\n", "not a JSON object"),
        ("w.jsonl", '{"x_0": 1, "quality__s": Infinity}\n', "is infinite in row 1"),
        ("w.jsonl", '{"x_0": 1, "quality__s": [1]}\n', "not a number"),
        ("w.parquet", "PAR1", "not a Parquet file"),
        ("w.xlsx", "", "in no known format"),
    ],
)
def test_refuses_invalid_tables(tmp_path: Path, name: str, text: str, said: str) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(WorkloadError, match=said):
        Workload.read(path)


def test_refuses_text_in_another_encoding(tmp_path: Path) -> None:
    (tmp_path / "w.csv").write_bytes(b"x_0,quality__s\n\xff,1\n")
    with pytest.raises(WorkloadError, match="not UTF-8"):
        Workload.read(tmp_path / "w.csv")


@pytest.mark.parametrize("shape", [(3, 2), (2,), (2, 0)])
def test_refuses_feature_files_of_another_size(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "x.npy", np.zeros(shape))
    with pytest.raises(WorkloadError, match="expected \\(2, d\\)"):
        Workload.read(write(tmp_path / "w.csv", WIDE), features=tmp_path / "x.npy")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_refuses_feature_files_that_are_not_finite(tmp_path: Path, value: float) -> None:
    np.save(tmp_path / "x.npy", np.array([[0.0], [value]]))
    with pytest.raises(WorkloadError, match="feature 0 of request 2 is not a finite number"):
        Workload.read(write(tmp_path / "w.csv", WIDE), features=tmp_path / "x.npy")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"metrics": ["speed"]}, "no column speed__ARM"),
        ({"features": ["x_0", "x_7"]}, "no feature column 'x_7'"),
        ({"features": len, "text": "question"}, "no column 'question'"),
        ({"features": lambda texts: np.array([["a"]] * len(texts))}, "expected real numbers"),
    ],
)
def test_refuses_options_that_do_not_fit_the_file(tmp_path: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(WorkloadError, match=said):
        Workload.read(write(tmp_path / "w.csv", WIDE), **options)


def test_shuffling_keeps_rows_together_and_follows_the_seed() -> None:
    workload = small_workload()
    shuffled = workload.shuffled(5)
    assert shuffled.query_ids == workload.shuffled(5).query_ids != workload.shuffled(6).query_ids
    rows = [int(query) for query in shuffled.query_ids]
    assert sorted(rows) == list(range(len(workload)))
    np.testing.assert_array_equal(shuffled.features, workload.features[rows])
    np.testing.assert_array_equal(shuffled.outcomes["cost_usd"], workload.outcomes["cost_usd"][rows])
