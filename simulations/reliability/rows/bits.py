"""N2, N3 and N4: the same bits in any order, on any kernel, across any stop, and after any retraction."""

import json
import os
import random
import subprocess
import sys
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import ClassVar

import numpy as np

from banditroute.learning import ExactSums, encode
from banditroute.testing import ridge_model_of
from banditroute.testing.world import World, url
from simulations.reliability.harness.orders import OUTCOMES, grid_rows
from simulations.reliability.harness.row import Finding, Tick

KERNELS = ("Core2", "Nehalem", "Haswell", "SkylakeX")


@dataclass(frozen=True, slots=True)
class Kernels:
    """So many rows, summed in a process of its own for each kernel and number of threads."""

    id: ClassVar[str] = "N2"
    does: ClassVar[str] = "sums in 3 orders × 3 batch sizes × 4 BLAS kernels × 1 and 2 threads"
    asks: ClassVar[str] = "1 distinct hash"
    control: ClassVar[str] = "float32 features as they come: many hashes"

    rows: int = 5_000
    kernels: tuple[str, ...] = KERNELS
    threads: tuple[int, ...] = (1, 2)

    def measure(self, place: Path, tick: Tick) -> Finding:  # noqa: ARG002  (hashes need no files)
        """Compare the hashes of all processes."""
        exact: list[str] = []
        raw: list[str] = []
        roundings = set()
        broken: list[str] = []
        settings = list(product(self.kernels, self.threads))
        for done, (kernel, threads) in enumerate(settings, 1):
            if not _numpy_survives(kernel, threads):
                broken.append(f"{kernel} × {threads}")
                continue
            found = self._hashes(kernel, threads)
            exact += found["exact"]
            raw += found["raw"]
            roundings.update(found["kernel"])
            tick(done, len(settings))
        measured: dict[str, float | str] = {
            "distinct hashes": len(set(exact)),
            "sums": len(exact),
            "kernels that round floats differently": len(roundings),
        }
        if broken:
            measured["kernels × threads that crash numpy itself, left out"] = ", ".join(broken)
        control = {"distinct hashes": len(set(raw))}
        return Finding(measured, len(set(exact)) == 1, control, len(set(raw)) > 1)

    def _hashes(self, kernel: str, threads: int) -> dict[str, list[str]]:
        command = [sys.executable, "-m", "simulations.reliability.harness.orders", str(self.rows)]
        answer = subprocess.run(command, env=_under(kernel, threads), capture_output=True, check=True)
        hashes: dict[str, list[str]] = json.loads(answer.stdout)
        return hashes


def _under(kernel: str, threads: int) -> dict[str, str]:
    return os.environ | {"OPENBLAS_CORETYPE": kernel, "OPENBLAS_NUM_THREADS": str(threads)}


def _numpy_survives(kernel: str, threads: int) -> bool:
    """Whether one product of floats works: numpy 2.5.5 crashes in Haswell's kernel with two threads."""
    program = "import numpy as np; X = np.ones((500, 64)); X.T @ X"
    return (
        subprocess.run([sys.executable, "-c", program], env=_under(kernel, threads), check=False).returncode == 0
    )


@dataclass(frozen=True, slots=True)
class Stops:
    """So many requests, with so many stops among them at which the router is closed and opened again."""

    id: ClassVar[str] = "N3"
    does: ClassVar[str] = "close → open → go on at random moments, against a router that never stops"
    asks: ClassVar[str] = "0 of all predictions, propensities and choices differ in a bit; equal digest"
    control: ClassVar[str] = "factors made anew from the sums at each stop: equal sums, other bits"

    steps: int = 10_000
    stops: int = 100

    def measure(self, place: Path, tick: Tick) -> Finding:
        """Live three times: without stops, with stops, with wrong ones."""
        whole = World()
        router = whole.open()
        for number in range(self.steps):
            whole.step(router, number)
        stops = set(random.Random(6).sample(range(1, self.steps), self.stops))  # noqa: S311  (moments, no secrets)
        stopped, digest = self._stopped(place, stops, tick)
        refreshed, other_digest = self._refreshed(stops)
        measured = {
            "decisions": self.steps,
            "stops": self.stops,
            "differ": _differences(whole, stopped),
            "digests differ": int(digest != router.digest()),
        }
        wrong = _differences(whole, refreshed)
        control = {"differ": wrong, "digests differ": int(other_digest != router.digest())}
        return Finding(measured, not measured["differ"] and digest == router.digest(), control, wrong > 0)

    def _stopped(self, place: Path, stops: set[int], tick: Tick) -> tuple[World, str]:
        world, target = World(), url(place / "stopped.db")
        router = world.open(target)
        for number in range(self.steps):
            if number in stops:
                router.close()
                router = world.open(target)
            world.step(router, number)
            tick(number + 1, self.steps)
        digest = router.digest()
        router.close()
        return world, digest

    def _refreshed(self, stops: set[int]) -> tuple[World, str]:
        world = World()
        router = world.open()
        for number in range(self.steps):
            if number in stops:
                ridge_model_of(router)._refresh()
            world.step(router, number)
        return world, router.digest()


def _differences(one: World, other: World) -> int:
    return sum(a != b for a, b in zip(one.chosen, other.chosen, strict=True))


@dataclass(frozen=True, slots=True)
class Retractions:
    """So many rows are added, and so many of them, at random, taken out again, one by one."""

    id: ClassVar[str] = "N4"
    does: ClassVar[str] = "add rows, retract a random part of them one by one"
    asks: ClassVar[str] = "sums bitwise = the sums of the rest alone"
    control: ClassVar[str] = "plain floats differ"

    rows: int = 200_000
    retracted: int = 100_000
    dimension: int = 32

    def measure(self, place: Path, tick: Tick) -> Finding:  # noqa: ARG002  (sums need no files)
        """Add, retract, compare."""
        rows, values = grid_rows(self.rows, seed=4, dimension=self.dimension)
        order = np.random.default_rng(5).permutation(self.rows)
        gone, rest = order[: self.retracted], np.sort(order[self.retracted :])
        sums = ExactSums(self.dimension, OUTCOMES)
        sums.add(rows, values)
        for done, i in enumerate(gone.tolist(), 1):
            sums.subtract(rows[i : i + 1], values[i : i + 1])
            if done % 1000 == 0:
                tick(done, self.retracted)
        expected = ExactSums(self.dimension, OUTCOMES)
        expected.add(rows[rest], values[rest])
        differ = int((sums.gram != expected.gram).sum()) + (sums.cross != expected.cross)
        measured = {"added": self.rows, "retracted": self.retracted, "entries differ": differ}
        control = self._in_floats(gone.tolist(), rest.tolist())
        return Finding(measured, encode(sums) == encode(expected), control, control["entries differ"] > 0)

    def _in_floats(self, gone: list[int], rest: list[int]) -> dict[str, int]:
        X = np.random.default_rng(4).normal(size=(self.rows, self.dimension))
        gram = X.T @ X
        for i in gone:
            gram -= np.outer(X[i], X[i])
        return {"entries differ": int((gram != X[rest].T @ X[rest]).sum())}
