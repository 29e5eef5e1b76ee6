"""Times decide + update of several learners side by side, in interleaved blocks."""

import gc
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from simulations.speed.learner import Learner
from simulations.speed.stream import Stream


@dataclass(frozen=True, slots=True)
class Timing:
    """What one learner took for a request [µs].

    Attributes:
        quiet: The smallest median of a block: what the machine can do when it does nothing else.
        mean: Over all timed requests, whatever else the machine did, and with what is done only now and then.
        p99: Over all timed requests.
        requests: How many were timed.
    """

    quiet: float
    mean: float
    p99: float
    requests: int


def interleave(
    learners: Mapping[str, Learner],
    stream: Stream,
    *,
    first: int,
    blocks: int,
    steps: int,
    seconds: float,
) -> Mapping[str, Timing]:
    """Give every learner a block in turn, beginning with request ``first`` of the stream.

    A learner that has used its ``seconds`` is left out of further blocks. Garbage is collected between blocks,
    not in them.
    """
    contexts = {name: [learner.prepare(x) for x in stream.X] for name, learner in learners.items()}
    outcomes = {name: learner.outcomes(stream) for name, learner in learners.items()}
    medians: dict[str, list[float]] = {name: [] for name in learners}
    samples: dict[str, list[int]] = {name: [] for name in learners}
    for block in range(blocks):
        start = first + block * steps
        for name, learner in learners.items():
            if sum(samples[name]) > seconds * 1e9:
                continue
            gc.collect()
            gc.disable()
            try:
                taken = _block(learner, contexts[name], outcomes[name], range(start, start + steps))
            finally:
                gc.enable()
            medians[name].append(float(np.median(taken)))
            samples[name] += taken
    return {name: _summary(samples[name], medians[name]) for name in learners}


def _block(
    learner: Learner, contexts: Sequence[Any], outcomes: Sequence[Sequence[Any]], requests: range
) -> list[int]:
    clock, taken = time.perf_counter_ns, []
    for i in requests:
        x, row = contexts[i], outcomes[i]
        began = clock()
        arm = learner.decide(x)
        learner.learn(arm, x, row[arm])
        taken.append(clock() - began)
    return taken


def _summary(samples: list[int], medians: list[float]) -> Timing:
    return Timing(
        quiet=min(medians) / 1e3,
        mean=float(np.mean(samples)) / 1e3,
        p99=float(np.quantile(samples, 0.99)) / 1e3,
        requests=len(samples),
    )
