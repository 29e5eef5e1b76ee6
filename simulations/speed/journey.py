"""Times the whole journey of a request: ``Router.route``, then ``Router.feedback``, in memory and on SQLite."""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from banditroute import Arm, LinUCB, Router
from simulations.speed.stream import OBJECTIVES, Stream


@dataclass(frozen=True, slots=True)
class Journey:
    """What the caller waits for [µs], and how fast rows reach the disk.

    Attributes:
        route: Median and 99th percentile of ``route``.
        feedback: The same of ``feedback``; it returns before the row is on stable storage.
        rows_per_s: Decisions and feedbacks, until the last of them is durable.
    """

    route: tuple[float, float]
    feedback: tuple[float, float]
    rows_per_s: float


def travel(stream: Stream, *, on_disk: bool, requests: int) -> Journey:
    """Route ``requests`` contexts one after the other, each with its feedback before the next, then flush."""
    preferences = dict(zip(OBJECTIVES.names, np.abs(stream.weights).tolist(), strict=True))
    contexts = [row[:-1].tolist() for row in stream.X]
    with tempfile.TemporaryDirectory() as folder:
        router = Router(
            "speed",
            arms=[Arm(f"arm-{i}") for i in range(stream.arms)],
            objectives=list(OBJECTIVES),
            policy=LinUCB(alpha=0.3),
            preferences=preferences,
            store=f"sqlite:///{Path(folder) / 'routing.db'}" if on_disk else None,
            x_max=8.0,
        )
        positions = {f"arm-{i}": i for i in range(stream.arms)}
        spans = [o.span for o in OBJECTIVES]
        clock, routed, told = time.perf_counter_ns, [], []
        began = clock()
        for i in range(requests):
            x = contexts[i % len(contexts)]
            start = clock()
            decision = router.route(x)
            routed.append(clock() - start)
            quality, cost, latency = (stream.Y[i % len(contexts), positions[decision.arm]] * spans).tolist()
            start = clock()
            router.feedback(decision.id, quality=quality, cost_usd=cost, latency_s=latency)
            told.append(clock() - start)
        router.flush()
        seconds = (clock() - began) / 1e9
        router.close()
    return Journey(_quantiles(routed), _quantiles(told), 2 * requests / seconds)


def _quantiles(taken: list[int]) -> tuple[float, float]:
    return float(np.median(taken)) / 1e3, float(np.quantile(taken, 0.99)) / 1e3
