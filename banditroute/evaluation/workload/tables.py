"""Reads tables from Parquet, CSV, TSV, JSON and JSON lines files as named columns of equal length."""

import csv
import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO, TypeAlias

import numpy as np

from banditroute.core.arrays import FloatArray
from banditroute.core.numbers import as_real, from_text
from banditroute.errors import MissingDependencyError, WorkloadError

Columns: TypeAlias = Mapping[str, Sequence[Any]]

MAX_BYTES = 8 * 2**30
"""Largest file of text, and largest table in memory [bytes]."""

MAX_CELLS = 2**28
"""Largest number of cells: as float64 they take 2 GiB."""

_DELIMITERS = (",", ";", "\t", "|")


def read_columns(path: Path) -> Columns:
    """Read a table; its format follows the suffix: .parquet, .csv, .tsv, .json, .jsonl or .ndjson.

    Raises:
        WorkloadError: if it cannot be opened, is of another format, is ragged, is empty, or is too large.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise WorkloadError(f"{path} is in no known format; the known suffixes are {', '.join(_READERS)}")
    if not path.is_file():
        raise WorkloadError(f"there is no file {path}")
    if (size := path.stat().st_size) > MAX_BYTES:
        raise WorkloadError(f"{path} has {size} bytes, more than the {MAX_BYTES} that are read")
    try:
        columns = reader(path)
    except MemoryError:
        raise WorkloadError(f"{path} needs more memory than there is") from None
    except OSError as error:
        raise WorkloadError(f"{path} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise WorkloadError(f"{path} is not UTF-8 text") from None
    if not columns or not len(next(iter(columns.values()))):
        raise WorkloadError(f"{path} has no rows")
    return columns


def numbers(path: Path, name: str, column: Sequence[Any]) -> FloatArray:
    """Turn a column into float64; an empty cell or null becomes NaN.

    Raises:
        WorkloadError: for a cell that is no number, or infinite.
    """
    if isinstance(column, np.ndarray) and column.dtype.kind in "fiub":
        values = column.astype(np.float64)
    else:
        values = np.array([_number(path, name, i, cell) for i, cell in enumerate(column)], dtype=np.float64)
    infinite = np.flatnonzero(np.isinf(values))
    if infinite.size:
        raise WorkloadError(f"{path}: column {name!r} is infinite in row {infinite[0] + 1}")
    return values


def has_number(column: Sequence[Any]) -> bool:
    """Return whether any cell of a column holds a number; times, texts and nulls are none."""
    if isinstance(column, np.ndarray) and column.dtype.kind in "fiub":
        return True
    return any(is_known(cell) and _as_number(cell) is not None for cell in column)


def is_known(cell: object) -> bool:
    """Return whether a cell is neither null, nor NaN, nor empty."""
    if isinstance(cell, str):
        return bool(cell.strip())
    return cell is not None and not (isinstance(cell, float) and math.isnan(cell))


def _as_number(cell: object) -> float | None:
    return from_text(cell) if isinstance(cell, str) else as_real(cell)


def _number(path: Path, name: str, row: int, cell: object) -> float:
    if cell is None:
        return np.nan
    number = _as_number(cell)
    if number is None:
        raise WorkloadError(f"{path}: column {name!r} holds {cell!r:.40} in row {row + 1}, which is not a number")
    return number


def _read_parquet(path: Path) -> Columns:
    try:
        import pyarrow  # type: ignore[import-untyped]  # ships no types
        from pyarrow import parquet
    except ImportError:
        raise MissingDependencyError("reading Parquet needs pyarrow: pip install 'banditroute[frames]'") from None
    try:
        with parquet.ParquetFile(path) as file:
            facts, schema = file.metadata, file.schema_arrow
            _check_size(path, facts.num_rows, facts.num_columns)
            # Repeated texts are read once, however often they occur.
            texts = [each.name for each in schema if pyarrow.types.is_string(each.type)]
        table = parquet.read_table(path, read_dictionary=texts)
    except MemoryError:
        raise WorkloadError(f"{path} needs more memory than there is") from None
    except pyarrow.ArrowException:
        raise WorkloadError(f"{path} is not a Parquet file, or is damaged") from None
    if table.nbytes > MAX_BYTES:
        raise WorkloadError(
            f"{path} takes {table.nbytes} bytes in memory, more than the {MAX_BYTES} that are read"
        )
    _refuse_repeated(path, table.column_names)
    return {
        name: column.to_numpy() if _is_numeric(pyarrow, column.type) else column.to_pylist()
        for name, column in zip(table.column_names, table.columns, strict=True)
    }


def _is_numeric(pyarrow: Any, kind: Any) -> bool:
    types = pyarrow.types
    return bool(types.is_floating(kind) or types.is_integer(kind))


def _check_size(path: Path, rows: int, columns: int) -> None:
    if rows * columns > MAX_CELLS:
        raise WorkloadError(
            f"{path} has {rows} rows of {columns} columns, more than the {MAX_CELLS} cells that are read"
        )


def _read_csv(path: Path) -> Columns:
    with path.open(encoding="utf-8-sig", newline="") as file:
        delimiter = "\t" if path.suffix.lower() == ".tsv" else _delimiter(path, file)
        reader = csv.reader(file, strict=True, delimiter=delimiter)
        try:
            names = next(reader, [])
            _refuse_repeated(path, names)
            rows = []
            for row in reader:
                if row and len(row) != len(names):
                    raise WorkloadError(
                        f"{path}: line {reader.line_num} has {len(row)} cells, expected {len(names)}, "
                        f"with the delimiter {delimiter!r}"
                    )
                if row:
                    rows.append(row)
                    if len(rows) * len(names) > MAX_CELLS:
                        _check_size(path, len(rows), len(names))
        except csv.Error as error:
            raise WorkloadError(f"{path}: line {reader.line_num} is not CSV: {error}") from None
    columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)) if rows else {}
    # Spreadsheets that separate cells by semicolons write decimals with a comma.
    return {name: _with_points(cells) for name, cells in columns.items()} if delimiter == ";" else columns


def _delimiter(path: Path, file: TextIO) -> str:
    """Return the delimiter of the first line, and leave the file at its beginning.

    Raises:
        WorkloadError: if the line holds several of them and no comma.
    """
    first = file.readline()
    file.seek(0)
    found = [each for each in _DELIMITERS if each in first]
    if len(found) > 1 and "," not in found:
        raise WorkloadError(f"{path}: line 1 may be delimited by any of {found}; write it with commas")
    return found[0] if found else ","


def _with_points(cells: Sequence[str]) -> Sequence[str]:
    """Return the cells with decimal points, if all that are not empty are numbers then, and one has a comma."""
    points = [cell.replace(",", ".") if cell.count(",") == 1 and "." not in cell else cell for cell in cells]
    changes = points != list(cells)
    return points if changes and all(from_text(cell) is not None for cell in points) else cells


def _refuse_repeated(path: Path, names: Sequence[str]) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise WorkloadError(f"{path}: column {name!r:.80} occurs {count} times")


def _read_json_lines(path: Path) -> Columns:
    rows: list[Mapping[str, Any]] = []
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                raise WorkloadError(f"{path}: line {number} is not JSON") from None
            _add_row(path, rows, row, f"line {number}")
    return _by_name(rows)


def _read_json(path: Path) -> Columns:
    try:
        values = json.loads(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError:
        raise
    except (ValueError, RecursionError):
        raise WorkloadError(f"{path} is not JSON") from None
    if not isinstance(values, list):
        raise WorkloadError(f"{path} must hold an array of objects, one for each row")
    rows: list[Mapping[str, Any]] = []
    for number, row in enumerate(values, start=1):
        _add_row(path, rows, row, f"element {number}")
    return _by_name(rows)


def _add_row(path: Path, rows: list[Mapping[str, Any]], row: object, place: str) -> None:
    if not isinstance(row, dict):
        raise WorkloadError(f"{path}: {place} is not a JSON object")
    if rows and row.keys() != rows[0].keys():
        odd = sorted(row.keys() ^ rows[0].keys())[0]
        raise WorkloadError(f"{path}: {place} and the first row differ in the key {odd!r}")
    rows.append(row)
    if len(rows) * len(row) > MAX_CELLS:
        _check_size(path, len(rows), len(row))


def _by_name(rows: Sequence[Mapping[str, Any]]) -> Columns:
    return {name: [row[name] for row in rows] for name in rows[0]} if rows else {}


_READERS: Mapping[str, Callable[[Path], Columns]] = {
    ".parquet": _read_parquet,
    ".csv": _read_csv,
    ".tsv": _read_csv,
    ".json": _read_json,
    ".jsonl": _read_json_lines,
    ".ndjson": _read_json_lines,
}
