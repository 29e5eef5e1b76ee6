"""Reads tables from Parquet, CSV and JSON lines files as named columns of equal length."""

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from banditroute.core.arrays import FloatArray
from banditroute.errors import MissingDependencyError, WorkloadError

Columns: TypeAlias = Mapping[str, Sequence[Any]]


def read_columns(path: Path) -> Columns:
    """Read a table; its format follows the suffix ``.parquet``, ``.csv``, ``.jsonl`` or ``.ndjson``.

    Raises:
        WorkloadError: if it cannot be opened, is of another format, is ragged, or is empty.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise WorkloadError(f"{path} is in no known format; the known suffixes are {', '.join(_READERS)}")
    if not path.is_file():
        raise WorkloadError(f"there is no file {path}")
    try:
        columns = reader(path)
    except OSError as error:
        raise WorkloadError(f"{path} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise WorkloadError(f"{path} is not UTF-8 text") from None
    if not columns or not len(next(iter(columns.values()))):
        raise WorkloadError(f"{path} has no rows")
    return columns


def numbers(path: Path, name: str, column: Sequence[Any]) -> FloatArray:
    """Turn a column into float64; an empty cell or null becomes NaN. Infinities are refused."""
    if isinstance(column, np.ndarray) and column.dtype.kind in "fiub":
        values = column.astype(np.float64)
    else:
        values = np.array([_number(path, name, i, cell) for i, cell in enumerate(column)], dtype=np.float64)
    infinite = np.flatnonzero(np.isinf(values))
    if infinite.size:
        raise WorkloadError(f"{path}: column {name!r} is infinite in row {infinite[0] + 1}")
    return values


def _number(path: Path, name: str, row: int, cell: object) -> float:
    if cell is None or cell == "":
        return np.nan
    try:
        if isinstance(cell, str | int | float):
            return float(cell)
    except (ValueError, OverflowError):
        pass
    raise WorkloadError(f"{path}: column {name!r} holds {cell!r:.40} in row {row + 1}, which is not a number")


def _read_parquet(path: Path) -> Columns:
    try:
        import pyarrow  # type: ignore[import-untyped]  # ships no types
        from pyarrow import parquet
    except ImportError:
        raise MissingDependencyError("reading Parquet needs pyarrow: pip install 'banditroute[frames]'") from None
    try:
        table = parquet.read_table(path)
    except pyarrow.ArrowException:
        raise WorkloadError(f"{path} is not a Parquet file, or is damaged") from None
    return {
        name: column.to_numpy() if _is_numeric(pyarrow, column.type) else column.to_pylist()
        for name, column in zip(table.column_names, table.columns, strict=True)
    }


def _is_numeric(pyarrow: Any, kind: Any) -> bool:
    types = pyarrow.types
    return bool(types.is_floating(kind) or types.is_integer(kind))


def _read_csv(path: Path) -> Columns:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        try:
            names = next(reader, [])
            _refuse_repeated(path, names)
            rows = []
            for row in reader:
                if row and len(row) != len(names):
                    raise WorkloadError(
                        f"{path}: line {reader.line_num} has {len(row)} cells, expected {len(names)}"
                    )
                if row:
                    rows.append(row)
        except csv.Error as error:
            raise WorkloadError(f"{path}: line {reader.line_num} is not CSV: {error}") from None
    return {name: [row[i] for row in rows] for i, name in enumerate(names)}


def _refuse_repeated(path: Path, names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise WorkloadError(f"{path}: column {name!r} occurs {names.count(name)} times")


def _read_json_lines(path: Path) -> Columns:
    rows: list[Mapping[str, Any]] = []
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                raise WorkloadError(f"{path}: line {number} is not JSON") from None
            if not isinstance(row, dict):
                raise WorkloadError(f"{path}: line {number} is not a JSON object")
            if rows and row.keys() != rows[0].keys():
                odd = sorted(row.keys() ^ rows[0].keys())[0]
                raise WorkloadError(f"{path}: line {number} and line 1 differ in the key {odd!r}")
            rows.append(row)
    return {name: [row[name] for row in rows] for name in rows[0]} if rows else {}


_READERS: Mapping[str, Callable[[Path], Columns]] = {
    ".parquet": _read_parquet,
    ".csv": _read_csv,
    ".jsonl": _read_json_lines,
    ".ndjson": _read_json_lines,
}
