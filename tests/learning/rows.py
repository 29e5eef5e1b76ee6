"""Rows on the grid, for the tests of this package."""

import numpy as np

from banditroute.core.arrays import FEATURE_UNIT, OUTCOME_UNIT, FloatArray, IntArray, RowArray


def grid_rows(seed: int, count: int, dimension: int, outcomes: int) -> tuple[RowArray, IntArray]:
    rng = np.random.default_rng(seed)
    rows = rng.integers(-(2**17), 2**17 + 1, size=(count, dimension), dtype=np.int32)
    rows[:, -1] = 2**15
    return rows, rng.integers(0, 2**16 + 1, size=(count, outcomes), dtype=np.int64)


def as_floats(rows: RowArray, values: IntArray) -> tuple[FloatArray, FloatArray]:
    return rows.astype(np.float64) * FEATURE_UNIT, values.astype(np.float64) * OUTCOME_UNIT
