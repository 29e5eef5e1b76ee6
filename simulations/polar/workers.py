"""Many runs at once."""

import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

Work = TypeVar("Work")
Result = TypeVar("Result")


class Workers:
    """A process pool with a progress bar on a terminal."""

    def __init__(self, count: int) -> None:
        self._pool = ProcessPoolExecutor(count)

    def map(self, what: str, function: Callable[[Work], Result], works: Iterable[Work]) -> list[Result]:
        """Results in order."""
        tasks = list(works)
        results = []
        for done, result in enumerate(self._pool.map(function, tasks), 1):
            results.append(result)
            if sys.stderr.isatty():
                print(f"\r{what}: {done} of {len(tasks)}", end="" if done < len(tasks) else "\n", file=sys.stderr)
        return results
