"""Recorded requests with the outcomes of all arms."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from banditroute.core.arrays import FloatArray, IntArray, vanished
from banditroute.errors import WorkloadError
from banditroute.evaluation.workload.npy import read_npy
from banditroute.evaluation.workload.tables import Columns, has_number, is_known, numbers, read_columns

Encoder: TypeAlias = Callable[[Sequence[str]], NDArray[np.floating]]
"""Texts → matrix of shape (texts, features)."""

FeatureSource: TypeAlias = str | Path | Sequence[str] | Encoder

_FEATURE_COLUMN = re.compile(r"x_\d+")
_NOT_METRICS = frozenset({"query_id", "arm", "task", "prompt", "split"})


@dataclass(frozen=True, slots=True, eq=False)
class Workload:
    """Requests with the outcomes of every arm (full information).

    Attributes:
        arms: Names of the arms.
        features: Feature vectors, shape (requests, d), finite.
        outcomes: Metric → values of shape (requests, arms), in the unit of the metric. NaN marks a cell that was
            not recorded: its feedback never arrives, and it is left out of every mean and of the oracle.
        query_ids: One unique id per request.
        name: Name of the workload in tables and plots.
        notes: What was left out when it was read, in one sentence each.
    """

    arms: tuple[str, ...]
    features: FloatArray = field(repr=False)
    outcomes: Mapping[str, FloatArray] = field(repr=False)
    query_ids: tuple[str, ...] = field(default=(), repr=False)
    name: str = "workload"
    notes: tuple[str, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        shape = (len(self.features), len(self.arms))
        if not shape[1] or len(set(self.arms)) < shape[1]:
            raise WorkloadError(f"{self.name}: arms must be one or more unique names, got {list(self.arms)}")
        if self.features.ndim != 2 or not self.features.size:
            raise WorkloadError(f"{self.name}: features have shape {self.features.shape}, expected (requests, d)")
        if not np.isfinite(self.features).all():
            row, column = np.argwhere(~np.isfinite(self.features))[0]
            raise WorkloadError(f"{self.name}: feature {column} of request {row + 1} is not a finite number")
        if not self.outcomes:
            raise WorkloadError(f"{self.name} has no metric, such as a column quality__ARM for each arm")
        for metric, cells in self.outcomes.items():
            if cells.shape != shape:
                raise WorkloadError(f"{self.name}: {metric} has shape {cells.shape}, expected {shape}")
            if np.isinf(cells).any():
                raise WorkloadError(f"{self.name}: {metric} has an infinite value")
            if np.isnan(cells).all():
                raise WorkloadError(f"{self.name}: {metric} has no value at all")
        if not self.query_ids:
            object.__setattr__(self, "query_ids", tuple(str(i) for i in range(shape[0])))
        if len(self.query_ids) != shape[0]:
            raise WorkloadError(f"{self.name} has {len(self.query_ids)} query_ids for {shape[0]} requests")
        if len(set(self.query_ids)) < shape[0]:
            again = Counter(self.query_ids).most_common(1)[0][0]
            raise WorkloadError(f"{self.name}: query_id {again!r:.60} occurs more than once")

    @classmethod
    def read(
        cls,
        path: str | Path,
        *,
        features: FeatureSource | None = None,
        metrics: Sequence[str] | None = None,
        text: str = "prompt",
    ) -> "Workload":
        """Read a Parquet, CSV, TSV, JSON or JSON lines file, wide or long.

        Wide: one row per query, and a column ``METRIC__ARM`` for each metric and arm. Long: one row per query and
        arm, with the columns ``query_id``, ``arm`` and one per metric; an absent pair counts as not recorded.

        Args:
            path: The file; its suffix determines the format.
            features: Names of columns, of numbers or of lists of numbers (embeddings); or a ``.npy`` file of shape
                (queries, d), in the order of the queries; or an encoder that turns the texts into such a matrix.
                By default the columns ``x_0``, ``x_1``, …
            metrics: Metrics to read; by default every ``METRIC__ARM`` (wide), or every column that holds numbers
                and is neither a feature, ``query_id``, ``arm``, ``task``, ``split`` nor text (long). Columns
                without any number, such as times, and rows without an arm are left out, and named in ``notes``.
            text: Column of the texts for an encoder.

        Raises:
            WorkloadError: if the file breaks one of these rules; the message names the column or row.
        """
        path = Path(path)
        columns = read_columns(path)
        names = _feature_names(path, columns, features)
        notes: list[str] = []
        if "arm" in columns and not any(_is_wide(name) for name in columns if name not in names):
            columns = _with_arms(path, columns, notes)
            found = _from_long(path, columns, metrics, {*_NOT_METRICS, text, *names}, notes)
        else:
            found = _from_wide(path, columns, metrics, names)
        queries, query_ids, arms, outcomes = found
        matrix = _features(path, columns, features, names, text, queries)
        notes += _vanishing(matrix, names)
        return cls(
            arms=arms,
            features=matrix,
            outcomes=outcomes,
            query_ids=query_ids,
            name=path.stem,
            notes=tuple(notes),
        )

    @classmethod
    def bundled(cls) -> "Workload":
        """Read the workload of ``banditroute demo``: real prompts, three models, judged quality and cost."""
        return cls.read(Path(__file__).parent / "data" / "paretobandit3.parquet")

    def __len__(self) -> int:
        return len(self.features)

    def __repr__(self) -> str:
        metrics = ", ".join(self.outcomes)
        return f"Workload({self.name!r}: {len(self)} requests, {len(self.arms)} arms, {metrics})"

    @property
    def dimension(self) -> int:
        """Number of features."""
        return int(self.features.shape[1])

    def take(self, rows: IntArray | slice) -> "Workload":
        """Return the workload of the given requests, in the given order."""
        rows = np.arange(len(self))[rows]
        return Workload(
            arms=self.arms,
            features=self.features[rows],
            outcomes={metric: cells[rows] for metric, cells in self.outcomes.items()},
            query_ids=tuple(self.query_ids[i] for i in rows.tolist()),
            name=self.name,
            notes=self.notes,
        )

    def shuffled(self, seed: int) -> "Workload":
        """Return the same requests in an order that depends only on ``seed`` and their number."""
        return self.take(shuffled_rows(len(self), seed))

    def quantile(self, metric: str, share: float) -> float:
        """Return a quantile of a metric over all recorded cells of all arms, in the unit of the metric."""
        return float(np.nanquantile(self.outcomes[metric], share))


def shuffled_rows(count: int, seed: int) -> IntArray:
    """Return the order in which ``Workload.shuffled(seed)`` puts ``count`` requests."""
    return np.random.default_rng(seed).permutation(count)


_Parts: TypeAlias = tuple[IntArray, tuple[str, ...], tuple[str, ...], dict[str, FloatArray]]
"""(Query of each row of the table, query ids, arms, outcomes)."""


def _is_wide(name: str) -> bool:
    return "__" in name and not name.startswith("__")


def _vanishing(matrix: FloatArray, names: Sequence[str]) -> list[str]:
    """Name the features whose values the router would round to 0."""
    counts = vanished(matrix)
    worst = int(counts.argmax())
    if not counts[worst]:
        return []
    name = names[worst] if len(names) == len(counts) else f"{worst} (counted from 0)"
    others = int(np.count_nonzero(counts)) - 1
    note = (
        f"feature {name}: {int(counts[worst])} of {len(matrix)} values are not 0 and rounded to 0, since they are "
        "below 1.5e-5; multiply it by a constant"
    )
    return [note if not others else f"{note}; so are values of {others} other features"]


def _with_arms(path: Path, columns: Columns, notes: list[str]) -> Columns:
    """Return the rows that name an arm: a call that failed before an arm was chosen has none."""
    known = np.array([is_known(arm) for arm in columns["arm"]])
    if known.all():
        return columns
    if not known.any():
        raise WorkloadError(f"{path} names no arm in any row")
    rows = np.flatnonzero(known)
    count, first = len(known) - len(rows), int(np.flatnonzero(~known)[0]) + 1
    notes.append(f"{count} of {len(known)} rows name no arm and are left out, the first is row {first}")
    return {
        name: column[rows] if isinstance(column, np.ndarray) else [column[row] for row in rows.tolist()]
        for name, column in columns.items()
    }


def _from_wide(path: Path, columns: Columns, metrics: Sequence[str] | None, features: Sequence[str]) -> _Parts:
    found: dict[str, dict[str, str]] = {}
    for name in (name for name in columns if _is_wide(name) and name not in features):
        metric, arm = name.split("__", 1)
        if metrics is None or metric in metrics:
            found.setdefault(metric, {})[arm] = name
    _require(path, metrics, found, "column {0}__ARM")
    if not found:
        raise WorkloadError(
            f"{path} has neither columns METRIC__ARM, such as quality__small, nor a column 'arm' with metrics"
        )
    arms = tuple(dict.fromkeys(arm for by_arm in found.values() for arm in by_arm))
    for metric, by_arm in found.items():
        for arm in arms:
            if arm not in by_arm:
                raise WorkloadError(f"{path} has no column '{metric}__{arm}'; name the metrics to read without it")
    outcomes = {
        metric: np.column_stack([numbers(path, by_arm[arm], columns[by_arm[arm]]) for arm in arms])
        for metric, by_arm in found.items()
    }
    rows = len(next(iter(columns.values())))
    query_ids = tuple(map(str, columns.get("query_id", range(rows))))
    return np.arange(rows), query_ids, arms, outcomes


def _from_long(
    path: Path, columns: Columns, metrics: Sequence[str] | None, others: set[str], notes: list[str]
) -> _Parts:
    if "query_id" not in columns:
        raise WorkloadError(f"{path} has a column 'arm' but no column 'query_id'")
    if metrics is None:
        candidates = [name for name in columns if name not in others]
        kept = [name for name in candidates if has_number(columns[name])]
        if left := [name for name in candidates if name not in kept]:
            notes.append(f"columns without numbers are left out: {', '.join(left)}")
    else:
        kept = [name for name in columns if name in metrics]
    _require(path, metrics, kept, "column {0!r}")
    queries, arms = (list(map(str, columns[name])) for name in ("query_id", "arm"))
    query_rows, arm_rows = _positions(queries), _positions(arms)
    rows = np.array([query_rows[query] for query in queries])
    chosen = np.array([arm_rows[arm] for arm in arms])
    cells = rows * len(arm_rows) + chosen
    seen, counts = np.unique(cells, return_counts=True)
    if (counts > 1).any():
        again = int(np.flatnonzero(cells == seen[counts > 1][0])[1])
        raise WorkloadError(
            f"{path}: row {again + 1} repeats query_id {queries[again]!r:.60} with arm {arms[again]!r:.60}"
        )
    outcomes = {}
    for metric in kept:
        outcomes[metric] = np.full((len(query_rows), len(arm_rows)), np.nan)
        outcomes[metric][rows, chosen] = numbers(path, metric, columns[metric])
    return rows, tuple(query_rows), tuple(arm_rows), outcomes


def _positions(values: Sequence[str]) -> dict[str, int]:
    return {value: i for i, value in enumerate(dict.fromkeys(values))}


def _require(path: Path, wanted: Sequence[str] | None, found: object, what: str) -> None:
    for metric in wanted or ():
        if metric not in cast("Sequence[str]", found):
            raise WorkloadError(f"{path} has no {what.format(metric)}")


def _feature_names(path: Path, columns: Columns, features: FeatureSource | None) -> Sequence[str]:
    """Return the names of the feature columns; empty if the features come from a file or an encoder."""
    if features is None:
        names = sorted(filter(_FEATURE_COLUMN.fullmatch, columns), key=lambda name: int(name[2:]))
        if not names:
            raise WorkloadError(
                f"{path} has no feature columns x_0, x_1, …; name others, a .npy file or an encoder"
            )
        return names
    if isinstance(features, str | Path) or callable(features):
        return ()
    for name in features:
        if name not in columns:
            raise WorkloadError(f"{path} has no feature column {name!r}")
    return list(features)


def _features(
    path: Path,
    columns: Columns,
    source: FeatureSource | None,
    names: Sequence[str],
    text: str,
    queries: IntArray,
) -> FloatArray:
    first = np.unique(queries, return_index=True)[1]
    if names:
        table = np.column_stack([_feature(path, name, columns[name]) for name in names])
        _refuse_nan(path, table, names)
        other = np.flatnonzero((table != table[first][queries]).any(axis=1))
        if other.size:
            raise WorkloadError(
                f"{path}: row {other[0] + 1} has other features than an earlier row of the same query"
            )
        return table[first]
    if callable(source):
        if text not in columns:
            raise WorkloadError(f"{path} has no column {text!r} for the encoder to read")
        texts = [str(columns[text][i]) for i in first]
        return _matrix(np.asarray(source(texts)), len(first), f"the encoder for {path}")
    return _matrix(read_npy(Path(cast("str", source))), len(first), str(source))


def _feature(path: Path, name: str, column: Sequence[object]) -> FloatArray:
    """Return one column of numbers, or those of a list in each row (an embedding); shape (rows, 1 or more)."""
    first = next((cell for cell in column if cell is not None), None)
    if not isinstance(first, list | tuple | np.ndarray):
        return numbers(path, name, column)[:, np.newaxis]
    for row, cell in enumerate(column):
        if not isinstance(cell, list | tuple | np.ndarray) or len(cell) != len(first):
            raise WorkloadError(f"{path}: column {name!r} has no list of {len(first)} numbers in row {row + 1}")
    flat = [value for cell in column for value in cast("Sequence[object]", cell)]
    return numbers(path, name, flat).reshape(len(column), len(first))


def _refuse_nan(path: Path, table: FloatArray, names: Sequence[str]) -> None:
    missing = np.argwhere(np.isnan(table))
    if missing.size:
        row, column = missing[0]
        name = names[column] if table.shape[1] == len(names) else ", ".join(names)
        raise WorkloadError(f"{path}: feature column {name!r} has no value in row {row + 1}")


def _matrix(values: NDArray[np.generic], rows: int, what: str) -> FloatArray:
    if values.ndim != 2 or len(values) != rows or not values.size:
        raise WorkloadError(
            f"{what} gives features of shape {values.shape}, expected ({rows}, d) for {rows} queries"
        )
    if values.dtype.kind not in "fiub":
        raise WorkloadError(f"{what} gives features of type {values.dtype}, expected real numbers")
    return values.astype(np.float64)
