import hashlib
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import banditroute

WORKLOADS = Path(banditroute.__file__).parent / "evaluation" / "workload" / "data"
FILE = WORKLOADS / "paretobandit3.parquet"
SHA256 = "75d50562cbe1d1408ad529c43f8d7aa58f4feaf023ff80c5090a072363e9fbd4"
ARMS = ("llama-3.1-8b", "mistral-large", "gemini-2.5-pro")
FEATURES = [f"x_{i}" for i in range(32)]


@pytest.fixture(scope="module")
def table() -> Any:
    return import_module("pyarrow.parquet").read_table(FILE)


def test_the_file_is_the_one_that_was_built() -> None:
    assert hashlib.sha256(FILE.read_bytes()).hexdigest() == SHA256


def test_the_wheel_carries_at_most_400_kb() -> None:
    assert FILE.stat().st_size <= 400_000


def test_source_and_licence_are_included() -> None:
    notice = (WORKLOADS / "paretobandit3.LICENSE").read_text(encoding="utf-8")
    for words in ("paretobandit", "0.1.1", "Apache License", "Version 2.0", "https://"):
        assert words in notice


def test_columns_are_those_of_a_wide_workload(table: Any) -> None:
    metrics = [f"{metric}__{arm}" for metric in ("quality", "cost_usd") for arm in ARMS]
    assert table.column_names == ["query_id", "split", *metrics, *FEATURES]


def test_nothing_but_numbers_and_the_name_of_the_split(table: Any) -> None:
    texts = [field.name for field in table.schema if not _is_number(field.type)]
    assert texts == ["split"]
    assert set(table["split"].to_pylist()) == {"val", "test"}


def test_every_prompt_of_both_splits_occurs_once(table: Any) -> None:
    assert table["query_id"].to_pylist() == list(range(3_609))
    assert table["split"].to_pylist() == ["val"] * 1_785 + ["test"] * 1_824


def test_no_cell_is_empty(table: Any) -> None:
    assert all(column.null_count == 0 for column in table.columns)


@pytest.mark.parametrize("arm", ARMS)
def test_outcomes_lie_in_their_ranges(table: Any, arm: str) -> None:
    quality = table[f"quality__{arm}"].to_numpy()
    cost_usd = table[f"cost_usd__{arm}"].to_numpy()
    assert quality.min() >= 0
    assert quality.max() <= 1
    assert cost_usd.min() > 0
    assert cost_usd.max() < 0.2


def test_a_more_expensive_arm_is_better(table: Any) -> None:
    """Quality has a price in this workload, so preferences matter."""
    quality = [table[f"quality__{arm}"].to_numpy().mean() for arm in ARMS]
    cost_usd = [table[f"cost_usd__{arm}"].to_numpy().mean() for arm in ARMS]
    assert sorted(quality) == quality
    assert sorted(cost_usd) == cost_usd


def test_features_lie_on_their_grid_and_are_centred_on_the_validation_split(table: Any) -> None:
    X = np.column_stack([table[name].to_numpy() for name in FEATURES]).astype(np.float64)
    val = np.array(table["split"].to_pylist()) == "val"
    assert np.array_equal(X * 2**12, np.rint(X * 2**12))
    assert np.abs(X).max() < 1
    assert np.abs(X[val].mean(axis=0)).max() < 2**-12
    assert np.square(X[val]).sum(axis=1).mean() == pytest.approx(1, abs=1e-3)


def test_features_are_uncorrelated_and_in_order_of_their_variance(table: Any) -> None:
    val = np.array(table["split"].to_pylist()) == "val"
    X = np.column_stack([table[name].to_numpy() for name in FEATURES]).astype(np.float64)[val]
    covariance = np.cov(X.T)
    assert (np.diff(np.diag(covariance)) < 1e-6).all()
    assert np.abs(np.corrcoef(X.T) - np.eye(32)).max() < 1e-2


def _is_number(kind: object) -> bool:
    types = import_module("pyarrow.types")
    return bool(types.is_integer(kind) or types.is_floating(kind))
