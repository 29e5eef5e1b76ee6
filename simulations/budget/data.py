"""The recorded requests of the study: the bundled workload in its two splits, and the one with a fourth model."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path

import numpy as np

import banditroute
from banditroute.core.arrays import FloatArray, IntArray
from banditroute.evaluation import Workload

BUNDLED = Path(banditroute.__file__).parent / "evaluation" / "workload" / "data" / "paretobandit3.parquet"
SHORT = {
    "llama-3.1-8b-instruct": "llama-3.1-8b",
    "mistral-large-2512": "mistral-large",
}


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Requests of one split.

    Attributes:
        arms: Their names.
        X: Features; shape (requests, d).
        quality: Shape (requests, arms).
        usd: Unclipped; shape (requests, arms).
    """

    arms: tuple[str, ...]
    X: FloatArray
    quality: FloatArray
    usd: FloatArray

    def take(self, rows: IntArray) -> "Split":
        """These requests, in this order."""
        return Split(self.arms, self.X[rows], self.quality[rows], self.usd[rows])

    def only(self, arms: Sequence[str]) -> "Split":
        """With these arms, in this order."""
        places = [self.arms.index(arm) for arm in arms]
        return Split(tuple(arms), self.X, self.quality[:, places], self.usd[:, places])


def splits(directory: Path | None = None) -> dict[str, Split]:
    """Split → its requests: of the bundled workload, or of ``paretobandit4`` in the directory."""
    return _splits(BUNDLED if directory is None else directory / "paretobandit4" / "paretobandit4.parquet")


@cache
def _splits(path: Path) -> dict[str, Split]:
    # Its classes have no types, so it is asked for by name.
    parquet = import_module("pyarrow.parquet")
    features = None if path == BUNDLED else path.with_suffix(".pca32.npy")
    workload = Workload.read(path, features=features)
    names = np.array(parquet.read_table(path, columns=["split"])["split"].to_pylist())
    # The shared projection is not centred on these requests, nor of the intercept's size.
    X = workload.features
    if features is not None:
        fitted = X[names == "val"]
        X = (X - fitted.mean(axis=0)) / np.sqrt(np.square(fitted - fitted.mean(axis=0)).sum(axis=1).mean())
    whole = Split(
        tuple(SHORT.get(arm, arm) for arm in workload.arms),
        X,
        workload.outcomes["quality"],
        workload.outcomes["cost_usd"],
    )
    return {name: whole.take(np.flatnonzero(names == name)) for name in ("val", "test")}
