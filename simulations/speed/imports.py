"""Times ``import banditroute`` against ``import numpy`` in whole processes, and looks at what it loads."""

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Imports:
    """Medians over whole processes [ms], and which of the forbidden modules were loaded."""

    bare_ms: float
    numpy_ms: float
    banditroute_ms: float
    loaded: tuple[str, ...]

    @property
    def ratio(self) -> float:
        """``import banditroute`` over ``import numpy``, interpreter included in both."""
        return self.banditroute_ms / self.numpy_ms

    @property
    def ratio_over_bare(self) -> float:
        """The same with the time of the bare interpreter taken off."""
        return (self.banditroute_ms - self.bare_ms) / (self.numpy_ms - self.bare_ms)


def time_imports(*, rounds: int, forbidden: Sequence[str]) -> Imports:
    """Run ``rounds`` processes of each kind in turn, after one of each that warms the file cache."""
    statements = ("pass", "import numpy", "import banditroute")
    taken: dict[str, list[float]] = {statement: [] for statement in statements}
    for statement in statements:
        _run(statement)
    for _ in range(rounds):
        for statement in statements:
            began = time.perf_counter()
            _run(statement)
            taken[statement].append((time.perf_counter() - began) * 1e3)
    listing = _run("import sys, banditroute; print('\\n'.join(sys.modules))")
    loaded = set(listing.split())
    bare, numpy, banditroute = (median(taken[statement]) for statement in statements)
    return Imports(bare, numpy, banditroute, tuple(name for name in forbidden if name in loaded))


def _run(statement: str) -> str:
    return subprocess.run([sys.executable, "-c", statement], check=True, capture_output=True, text=True).stdout
