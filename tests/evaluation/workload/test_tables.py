"""Tables as people have them: other dialects, types, names and gaps."""

import gzip
import json
import math
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from banditroute import LinUCB
from banditroute.errors import WorkloadError
from banditroute.evaluation import Workload, comparison_table, replay
from banditroute.evaluation.workload import tables

ROWS = "x_0,quality__a\n0.1,0.5\n-0.25,1\n"


def read(path: Path, text: str | bytes, **options: Any) -> Workload:
    if isinstance(text, str):
        path.write_text(text, encoding="utf-8")
    else:
        path.write_bytes(text)
    return Workload.read(path, **options)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("plain.csv", ROWS),
        ("bom.csv", "\ufeff" + ROWS),
        ("semicolon.csv", ROWS.replace(",", ";")),
        ("decimal commas.csv", ROWS.replace(",", ";").replace(".", ",")),
        ("tabs.csv", ROWS.replace(",", "\t")),
        ("tabs.tsv", ROWS.replace(",", "\t")),
        ("bars.csv", ROWS.replace(",", "|")),
        ("crlf.csv", ROWS.replace("\n", "\r\n")),
        ("rows.jsonl", '{"x_0": 0.1, "quality__a": 0.5}\n\n{"x_0": -0.25, "quality__a": true}\n'),
        ("bom.jsonl", '\ufeff{"x_0": 0.1, "quality__a": 0.5}\n{"x_0": -0.25, "quality__a": 1}\n'),
        ("array.json", json.dumps([{"x_0": 0.1, "quality__a": 0.5}, {"x_0": -0.25, "quality__a": 1}])),
    ],
)
def test_every_dialect_gives_the_same_table(tmp_path: Path, name: str, text: str) -> None:
    workload = read(tmp_path / name, text)
    assert workload.features.tolist() == [[0.1], [-0.25]]
    assert workload.outcomes["quality"].tolist() == [[0.5], [1.0]]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("comma.csv", 'x_0,quality__a\n"0,1","0,5"\n', "holds '0,[15]' in row 1, which is not a number"),
        ("underscore.csv", "x_0,quality__a\n0.1,1_0\n", "holds '1_0' in row 1"),
        ("two.csv", "x_0;quality__a\tb\n1;2\n", r"may be delimited by any of \[';', '\\t'\]"),
        ("ragged.csv", "x_0;quality__a\n1;2;3\n", "line 2 has 3 cells, expected 2, with the delimiter ';'"),
        ("log.csv.gz", gzip.compress(ROWS.encode(), mtime=0), "no known format"),
        ("utf16.csv", ROWS.encode("utf-16"), "is not UTF-8 text"),
        ("object.json", '{"x_0": 1}', "must hold an array of objects"),
        ("numbers.json", "[1]", "element 1 is not a JSON object"),
        ("broken.json", "[", "is not JSON"),
        ("repeated.csv", "x_0,x_0,quality__a\n1,2,3\n", "column 'x_0' occurs 2 times"),
        ("no arms.csv", "query_id,arm,x_0,quality\n1,,0.1,1\n", "names no arm in any row"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str, text: str | bytes, said: str) -> None:
    with pytest.raises(WorkloadError, match=said):
        read(tmp_path / name, text)


def test_booleans_and_decimals(tmp_path: Path) -> None:
    assert read(tmp_path / "b.csv", "x_0,quality__a\n1,True\n0,false\n").outcomes["quality"].tolist() == [[1], [0]]
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    dollars = pyarrow.array([Decimal("0.0045"), None], pyarrow.decimal128(12, 4))
    table = {"x_0": [0.1, 0.2], "cost_usd__a": dollars, "quality__a": [True, False], "tokens__a": [1, 2]}
    parquet.write_table(pyarrow.table(table), tmp_path / "d.parquet")
    workload = Workload.read(tmp_path / "d.parquet")
    assert workload.outcomes["cost_usd"][0] == 0.0045
    assert math.isnan(workload.outcomes["cost_usd"][1, 0])
    assert workload.outcomes["quality"].tolist() == [[1], [0]]


def test_named_features_are_no_metrics(tmp_path: Path) -> None:
    wide = "num__tokens,cat__lang_de,quality__a,quality__b\n0.1,1,0.5,0.6\n0.2,0,0.7,0.8\n"
    workload = read(tmp_path / "wide.csv", wide, features=["num__tokens", "cat__lang_de"])
    assert (workload.arms, workload.features.tolist()) == (("a", "b"), [[0.1, 1], [0.2, 0]])


def test_lists_are_features(tmp_path: Path) -> None:
    rows = '{"e": [0.1, 0.2], "x_0": 3, "quality__a": 1}\n{"e": [0.3, 0.4], "x_0": 4, "quality__a": 0}\n'
    workload = read(tmp_path / "e.jsonl", rows, features=["e", "x_0"])
    assert workload.features.tolist() == [[0.1, 0.2, 3], [0.3, 0.4, 4]]
    ragged = rows.replace("[0.3, 0.4]", "[0.3]")
    with pytest.raises(WorkloadError, match="column 'e' has no list of 2 numbers in row 2"):
        read(tmp_path / "r.jsonl", ragged, features=["e"])


LONG = (
    "query_id,arm,at,x_0,quality,note\n1,a,2026-11-01,0.1,1,\n1,b,2026-11-01,0.1,0,\n"
    "2,,2026-11-02,0.2,0,429\n3,a,2026-11-03,0.3,1,\n3,b,2026-11-03,0.3,0,\n"
)


def test_what_is_left_out_is_noted_and_shown(tmp_path: Path) -> None:
    workload = read(tmp_path / "long.csv", LONG.replace(",429", ",failed"))
    assert workload.arms == ("a", "b")
    assert workload.notes == (
        "1 of 5 rows name no arm and are left out, the first is row 3",
        "columns without numbers are left out: at, note",
    )
    compared = replay(workload, {"linucb": LinUCB()}, preferences={"quality": 1.0}, seeds=1)
    for note in workload.notes:
        assert note in str(comparison_table(compared))
    with pytest.raises(WorkloadError, match="column 'at' holds '2026-11-01' in row 1"):
        read(tmp_path / "named.csv", LONG, metrics=["quality", "at"])


def test_gaps_are_shown_and_measured_nowhere() -> None:
    rng = np.random.default_rng(0)
    cells = rng.random((200, 3))
    cells[rng.random((200, 3)) < 0.1] = np.nan
    complete = ~np.isnan(cells).any(axis=1)
    workload = Workload(arms=("a", "b", "c"), features=rng.random((200, 2)), outcomes={"quality": cells})
    compared = replay(workload, {"linucb": LinUCB()}, preferences={"quality": 1.0}, seeds=2)
    gaps = 200 - int(complete.sum())
    assert f"{gaps} requests with gaps are left out of all figures" in str(comparison_table(compared))
    oracle, others = compared.baselines[-1], compared.baselines[:-1]
    assert oracle.values["quality"] == pytest.approx(cells[complete].max(axis=1).mean())
    assert all(other.values["regret"] >= 0 for other in others)
    assert compared.values("regret", "linucb").min() >= 0


def test_a_log_of_one_arm_per_request_is_refused() -> None:
    rng = np.random.default_rng(0)
    cells = np.full((100, 4), np.nan)
    cells[np.arange(100), rng.integers(4, size=100)] = 1.0
    workload = Workload(arms=tuple("abcd"), features=rng.random((100, 2)), outcomes={"quality": cells})
    with pytest.raises(WorkloadError, match=r"is a log: 100 of 100 requests .* 'banditroute evaluate'"):
        replay(workload, {"linucb": LinUCB()}, preferences={"quality": 1.0})


def test_values_beyond_a_bound_by_rounding_are_the_bound() -> None:
    cells = np.array([[1.0000001, 0.5], [-1e-7, 0.5]])
    workload = Workload(arms=("a", "b"), features=np.zeros((2, 1)), outcomes={"quality": cells})
    replay(workload, {"linucb": LinUCB()}, preferences={"quality": 1.0}, seeds=1)
    cells[0, 0] = 1.01
    with pytest.raises(WorkloadError, match=r"quality = 1\.01 of query '0' with arm 'a' is outside \[0, 1\]"):
        replay(workload, {"linucb": LinUCB()}, preferences={"quality": 1.0}, seeds=1)


def test_large_features_are_named() -> None:
    features = np.array([[0.0, 120_000.0], [1.0, 5.0]])
    workload = Workload(arms=("a", "b"), features=features, outcomes={"quality": np.full((2, 2), 0.5)})
    with pytest.raises(WorkloadError, match=r"feature 1 \(counted from 0\) reaches 120000, beyond ±64"):
        replay(workload, {"linucb": LinUCB()}, preferences={"quality": 1.0}, seeds=1)


def _many_columns(path: Path) -> None:
    path.with_suffix(".csv").write_text(
        ",".join(f"x_{i}" for i in range(20_000)) + ",quality__a\n" + "1," * 20_000 + "1\n"
    )


def _too_many_cells(path: Path) -> None:
    path.with_suffix(".csv").write_text(ROWS + "0,1\n" * 20)


def _sparse_npy(path: Path) -> None:
    with path.with_suffix(".npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": (2**37, 1)})
        file.truncate(file.tell() + 2**40)


@pytest.mark.parametrize(
    ("write", "said"),
    [(_too_many_cells, "more than the 20 cells"), (_sparse_npy, "more than the 8589934592 that are read")],
)
def test_what_is_too_large_is_refused_before_it_is_read(
    tmp_path: Path, write: Callable[[Path], None], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "MAX_CELLS", 20)
    write(tmp_path / "w")
    if not (tmp_path / "w.csv").exists():
        (tmp_path / "w.csv").write_text(ROWS)
    source = tmp_path / "w.npy" if (tmp_path / "w.npy").exists() else None
    with pytest.raises(WorkloadError, match=said):
        Workload.read(tmp_path / "w.csv", features=source)


def test_many_columns_are_read(tmp_path: Path) -> None:
    _many_columns(tmp_path / "w")
    assert Workload.read(tmp_path / "w.csv").dimension == 20_000
