"""The same rows summed in several orders and batches, as hashes; run under one BLAS kernel after the other.

``python -m simulations.reliability.harness.orders ROWS`` prints them as JSON.
"""

import hashlib
import json
import sys
from collections.abc import Iterator

import numpy as np

from banditroute.core.arrays import IntArray, RowArray
from banditroute.learning import ExactSums, encode

DIMENSION, OUTCOMES = 64, 2
BATCHES = (1, 37, 1000)


def grid_rows(count: int, *, seed: int, dimension: int = DIMENSION) -> tuple[RowArray, IntArray]:
    """Rows and values on the grid."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(-(2**17), 2**17 + 1, size=(count, dimension), dtype=np.int32)
    return rows, rng.integers(0, 2**16 + 1, size=(count, OUTCOMES), dtype=np.int64)


def exact_hashes(count: int) -> Iterator[str]:
    """Of our sums, in every order and batch."""
    rows, values = grid_rows(count, seed=2)
    for order in _orders(count):
        for size in BATCHES:
            sums = ExactSums(DIMENSION, OUTCOMES)
            for start in range(0, count, size):
                places = order[start : start + size]
                sums.add(rows[places], values[places])
            yield hashlib.sha256(encode(sums)).hexdigest()


def raw_hashes(count: int) -> Iterator[str]:
    """The negative control: features as they come, float32, their products summed in double precision."""
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(count, DIMENSION)).astype(np.float32)
    for order in _orders(count):
        for size in BATCHES:
            gram = np.zeros((DIMENSION, DIMENSION))
            for start in range(0, count, size):
                part = rows[order[start : start + size]].astype(np.float64)
                gram += part.T @ part
            yield hashlib.sha256(gram.tobytes()).hexdigest()


def rounding() -> str:
    """The hash of one product of floats: kernels with another one round differently."""
    X = np.random.default_rng(4).normal(size=(500, DIMENSION))
    return hashlib.sha256((X.T @ X).tobytes()).hexdigest()


def _orders(count: int) -> tuple[IntArray, IntArray, IntArray]:
    places = np.arange(count)
    return places, places[::-1], np.random.default_rng(3).permutation(count)


def main() -> None:
    """Print both, and how the kernel rounds."""
    count = int(sys.argv[1])
    answer = {"kernel": [rounding()], "exact": [*exact_hashes(count)], "raw": [*raw_hashes(count)]}
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
