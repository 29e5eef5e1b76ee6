"""Measures the slowest requests, and writes RESULTS.md; the README says how to run it."""

import gc
import tempfile
import threading
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from simulations.markdown import table
from simulations.speed.machine import describe, require_one_plain_thread
from simulations.tails.probes import TimedLock, collections_now
from simulations.tails.traffic import Traffic, durability, lags

HERE = Path(__file__).parent
PERCENT = (50, 99, 99.9, 100)


def study(settings: Mapping[str, Any]) -> str:
    """Measure everything; return the report in Markdown."""
    goals = settings["goals"]
    made: list[TimedLock] = []

    def lock() -> TimedLock:
        made.append(TimedLock())
        return made[-1]

    with tempfile.TemporaryDirectory() as folder:
        with mock.patch("banditroute.router.engine.threading", mock.Mock(wraps=threading, RLock=lock)):
            busy = Traffic.of(settings, f"sqlite:///{folder}/tails.db")
        (engine_lock,) = made
        idle = Traffic.of(settings, None)
        for each in (busy, idle):
            each.warm(settings["warm_up"])
        engine_lock.holds.clear()
        gc.disable()
        # In turns, so that a neighbour on the machine disturbs both alike.
        for number in range(settings["requests"]):
            busy.step()
            idle.step()
            # Collections are timed by themselves: here they would also visit the log that is kept in memory.
            if number % 1_000 == 0:
                gc.collect()
        gc.enable()
        holds = np.array(engine_lock.holds)
        idle.router.close()
        del idle.router
        pauses = collections_now()
        durable, durable_busy = (
            durability(busy, settings["durable"], is_busy=is_busy) for is_busy in (False, True)
        )
        empty, with_traffic = lags(None, settings), lags(busy, settings)
        busy.router.close()
        del busy.router
        pauses_without = collections_now()
    own, wall, control = (_ms(each) for each in (busy.own, busy.wall, idle.wall))
    wait = {percent: wall[percent] - control[percent] for percent in PERCENT}
    caused = {percent: _ms(pauses)[percent] - _ms(pauses_without)[percent] for percent in PERCENT}
    lag, empty_lag = _ms(with_traffic), _ms(empty)
    rows: list[tuple[str, dict[float, float], str]] = [
        ("`route`, the thread's processor time", own, f"p99.9 ≤ {goals['route_processor_ms']:g}"),
        ("`route`, wall time", wall, ""),
        ("the same over memory", control, ""),
        ("difference of the two", wait, f"p99.9 ≤ {goals['route_wait_ms']:g}"),
        ("router's lock held, wall time", _ms(holds[:, 0]), ""),
        ("router's lock held, the holder's processor time", _ms(holds[:, 1]), f"max ≤ {goals['lock_hold_ms']:g}"),
        ("full garbage collection, 10,000 decisions remembered", _ms(pauses), ""),
        ("the same without the router", _ms(pauses_without), ""),
        ("difference of the two", caused, f"largest ≤ {goals['collection_ms']:g}"),
        ("until a decision is on stable storage", _ms(durable), ""),
        ("the same beside a thread that sends requests", _ms(durable_busy), ""),
        ("lag of an empty event loop", empty_lag, ""),
        (f"lag at {settings['per_second']} requests/s", lag, f"p99 ≤ {empty_lag[99] + goals['loop_lag_ms']:.1f}"),
    ]
    shown = [[name, *(f"{found[percent]:.3f}" for percent in PERCENT), goal] for name, found, goal in rows]
    return "\n".join(
        [
            "# Tails",
            "",
            "Written by `python -m simulations.tails.run`. Times in ms.",
            "",
            describe(["banditroute", "numpy", "scipy", "sqlalchemy"]),
            f"{settings['arms']} arms, {settings['features']} features, two objective groups.",
            f"{settings['requests']:,} requests of each router, in turns, as fast as they go: the writer of the",
            "file is always busy.",
            *table(["what", "median", "p99", "p99.9", "largest", "asked for"], shown),
        ]
    )


def _ms(seconds: Sequence[float] | Any) -> dict[float, float]:
    return dict(zip(PERCENT, (1e3 * np.percentile(np.asarray(seconds), PERCENT)).tolist(), strict=True))


def main() -> None:
    """Run the study."""
    require_one_plain_thread()
    report = study(tomllib.loads((HERE / "config.toml").read_text("utf-8")))
    (HERE / "RESULTS.md").write_text(report, "utf-8")
    print(report)


if __name__ == "__main__":
    main()
