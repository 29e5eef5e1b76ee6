"""Lets a process die at every step of an activity, and looks at what it left; run with the library of ``steps.c``.

``python -m simulations.reliability.harness.deaths PLACE die|pretend COUNT ACTIVITY...`` writes a line of JSON for
each point, at most so many. The process that dies is a fork of this one, which has imported everything once, and
so is the process that inspects it.
"""

import gc
import json
import random
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Dialect, Engine

from banditroute.learning.posterior import model
from banditroute.store.databases import sqlite
from banditroute.store.maintenance import compact
from simulations.reliability.harness import release
from simulations.reliability.harness.activities import ACTIVITIES
from simulations.reliability.harness.aftermath import aftermath
from simulations.reliability.harness.quiet import quiet
from simulations.reliability.harness.scene import Scene
from simulations.reliability.harness.steps import Step

T = TypeVar("T")

END = Step(".", "")
SOON = 4
SNAPSHOT_EVERY, SWEPT = 8, 4
"""Feedbacks to a snapshot, and decisions to a transaction that compacts: few, so that there are some of each."""


def compile_once() -> None:
    """Let all engines share what was compiled for one: it is most of the work of opening a small database."""
    create, dialects, cache = sqlite._engine, list[Dialect](), dict[Any, Any]()

    def shared(uri: str, *, timeout: float) -> Engine:
        engine = create(uri, timeout=timeout)
        dialects.append(engine.dialect)
        engine.dialect = engine.pool._dialect = dialects[0]
        engine.update_execution_options(compiled_cache=cache)
        return engine

    sqlite._engine = shared


def warm_up(place: Path) -> None:
    """Import, and compile, all that is needed."""
    place.mkdir()
    activity = ACTIVITIES["open new"]
    activity.act(place, lambda _: None)
    assert aftermath(place, activity, (), "").none
    gc.collect()
    gc.freeze()


def spaced(everything: Sequence[T], count: int) -> list[T]:
    """At most so many of them, evenly spaced."""
    if len(everything) <= count:
        return list(everything)
    return [everything[place * len(everything) // count] for place in range(count)]


def deaths(scenes: Sequence[Scene], count: int) -> Iterator[dict[str, Any]]:
    """Before all steps and, if there are any points left, halfway through writes.

    What was synced changes with a sync only, and what was not is the most before the next one: there, and at the
    end, the power is cut too.
    """
    before: list[tuple[Scene, int, bool, bool]] = []
    within: list[tuple[Scene, int, bool, bool]] = []
    for scene in scenes:
        for number, step in enumerate([*scene.steps(), END], 1):
            before.append((scene, number, False, step.kind in "s."))
            if step.kind == "w":
                within.append((scene, number, True, False))
    points = spaced(before, count)
    dice = random.Random(20261122)  # noqa: S311  (no secrets)
    for scene, number, halfway, cut in [*points, *spaced(within, count - len(points))]:
        yield scene.death(number, halfway=halfway, cut=cut, dice=dice)


def pretences(scenes: Sequence[Scene], count: int) -> Iterator[dict[str, Any]]:
    """Each sync is left out, and the power cut before one of those that follow.

    Not only before the very next one: what a sync is for may be said a little later.
    """
    points: list[tuple[Scene, str, int, list[int]]] = []
    for scene in scenes:
        steps = scene.steps()
        syncs = [number for number, step in enumerate(steps, 1) if step.kind == "s"]
        for place, sync in enumerate(syncs):
            cuts = [*syncs[place + 1 : place + 1 + SOON], len(steps) + 1][:SOON]
            points.append((scene, steps[sync - 1].name, sync, cuts))
    for scene, name, sync, cuts in spaced(points, count):
        yield {"sync": name, **scene.pretence(sync, cuts)}


@quiet()
def main() -> None:
    """Set the scenes, and die, or pretend."""
    place, mode, count, names = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4:]
    model.REFRESH_EVERY, compact.SWEPT = SNAPSHOT_EVERY, SWEPT
    scripts = release.scripts(place / "migrations", release.ADDITIVE)
    compile_once()
    warm_up(place / "warm")
    scenes = [Scene.set(name, place / name.replace(" ", "-"), scripts) for name in names]
    for point in (deaths if mode == "die" else pretences)(scenes, count):
        print(json.dumps(point), flush=True)


if __name__ == "__main__":
    main()
