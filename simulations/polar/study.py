"""The controllers of the study, and one run of each."""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from banditroute import Exploration, LinUCB
from banditroute.controllers import (
    Adapter,
    DoublingEpochs,
    EpochCache,
    FixedEpochs,
    LFUCache,
    LRUCache,
    PricedCache,
    StaticCache,
)
from banditroute.core.arrays import FloatArray
from simulations.polar.belady import belady
from simulations.polar.episode import Episode, Scene, play
from simulations.polar.world import World, WorldConfig

CONFIG: dict[str, Any] = tomllib.loads((Path(__file__).parent / "config.toml").read_text("utf-8"))
BASELINES = ("LRU", "LFU", "static", "random", "cache-blind")
CONTROLLERS = ("POLAR+", "POLAR", *BASELINES)


def world_config(**changes: Any) -> WorldConfig:
    """The world of the configuration, or one that differs from it."""
    settings = {**CONFIG["world"], **changes}
    return WorldConfig(**{**settings, "load_s": tuple(settings["load_s"])})


def policy(world: str = "plain", **changes: float) -> LinUCB:
    """The same policy under every controller of a world."""
    settings = {**CONFIG["policy"], **CONFIG["policies"].get(world, {}), **changes}
    return LinUCB(**settings, exploration=Exploration(floor=0.0, burn_in=0))


def controller(
    name: str,
    adapters: Mapping[str, Adapter],
    requests: Scene,
    capacity: int,
    initial: tuple[str, ...],
    seed: int,
    world: str = "plain",
) -> PricedCache:
    """A controller of that name; all begin with the same residents, but one draws its own by lot."""
    utility_per_second = CONFIG["world"]["utility_per_second"]
    common: dict[str, Any] = {"capacity": capacity, "utility_per_second": utility_per_second, "initial": initial}
    lot = np.random.default_rng([2, seed]).permutation(len(requests.names))[:capacity]
    plus, fixed, optimism = CONFIG["polar_plus"], CONFIG["polar"], CONFIG["optimism"][world]

    def doubling(forced: float) -> PricedCache:
        return EpochCache(
            adapters,
            **common,
            epochs=DoublingEpochs(plus["first"], forced, plus["repeats"]),
            optimism=optimism,
            window=plus["window"],
        )

    makers: Mapping[str, Callable[[], PricedCache]] = {
        "POLAR+": lambda: doubling(plus["forced"]),
        "POLAR+ without forcing": lambda: doubling(0.0),
        "POLAR+ with more forcing": lambda: doubling(CONFIG["adversarial"]["forced"]),
        "POLAR": lambda: EpochCache(
            adapters,
            **common,
            epochs=FixedEpochs(fixed["epoch"]),
            optimism=optimism,
            window=fixed["window"],
        ),
        "LRU": lambda: LRUCache(adapters, **common),
        "LFU": lambda: LFUCache(adapters, **common),
        "static": lambda: StaticCache(adapters, **common),
        "random": lambda: StaticCache(adapters, **{**common, "initial": [requests.names[i] for i in lot]}),
        "cache-blind": lambda: LRUCache(adapters, **{**common, "utility_per_second": 0.0}),
    }
    return makers[name]()


@dataclass(frozen=True, slots=True)
class Task:
    """One run; plain values, so that a process pool can carry it.

    Attributes:
        requests: How many of the stream's are played; by default all.
        world: What of the configured worlds it is.
        topics: As many as the world has by default, else as adapters.
        ridge: Of the policy; by default the study's.
    """

    name: str
    seed: int
    horizon: int
    scene: str = "stationary"
    adapters: int = 15
    capacity: int = 5
    requests: int | None = None
    world: str = "plain"
    topics: int | None = None
    ridge: float | None = None


def scene(task: Task) -> tuple[World, Scene]:
    """The world of a task, and the requests that it sends."""
    changes = {"adapters": task.adapters, "capacity": task.capacity} | CONFIG["worlds"][task.world]
    if task.topics is not None:
        changes["topics"] = task.topics
    world = World(world_config(**changes), task.seed)
    rng = np.random.default_rng([3, task.seed])
    sample = np.random.default_rng([4, task.seed])
    if task.scene == "shift":
        half = task.horizon // 2
        flipped = world.popularity[::-1]
        X = np.vstack([world.contexts(half, rng), world.contexts(task.horizon - half, rng, flipped)])
        parts = [(X[:half], None), (X[half:], flipped)]
        oracle = [world.served(x, world.best_residents(world.contexts(4_000, sample, p))) for x, p in parts]
        return world, _scene(world, X, np.concatenate(oracle))
    if task.scene == "sorted":
        # An order that nature would not choose: by topic within each chunk, so that no epoch tells of the next.
        chunk = CONFIG["adversarial"]["chunk"]
        topics = rng.choice(task.adapters, size=task.horizon, p=world.popularity)
        X = world.around(
            np.concatenate([np.sort(topics[i : i + chunk]) for i in range(0, task.horizon, chunk)]), rng
        )
        return world, _scene(world, X, world.served(X, world.best_residents(X)))
    if task.scene == "late":
        # The popular half of the topics, alike; later the other half: its adapters looked bad, and were not held.
        order = np.argsort(-world.popularity)
        half, early = (task.adapters + 1) // 2, int(CONFIG["adversarial"]["late_from"] * task.horizon)
        first = rng.choice(order[:half], size=early)
        X = world.around(np.concatenate([first, rng.choice(order[half:], size=task.horizon - early)]), rng)
        return world, _scene(world, X, world.served(X, world.best_residents(X)))
    X = world.contexts(task.horizon, rng)
    best = world.best_residents(world.contexts(4_000, sample))
    X = X[: task.requests]
    return world, _scene(world, X, world.served(X, best))


def _scene(world: World, X: FloatArray, oracle: FloatArray) -> Scene:
    noise = None if world.config.pass_or_fail else world.config.reward_noise
    return Scene(world.names, X, world.utilities(X), world.miss, noise, oracle)


def run(task: Task) -> Episode:
    """Play one task."""
    world, requests = scene(task)
    changes = {} if task.ridge is None else {"ridge": task.ridge}
    return play(requests, _made(task, world, requests), policy(task.world, **changes), task.seed)


def _made(task: Task, world: World, requests: Scene) -> PricedCache:
    initial = world.best_by_prior()
    return controller(
        task.name, world.adapters, requests, world.config.capacity, initial, task.seed, world=task.world
    )


class Summary(NamedTuple):
    """What one worker sends back; small, so that a hundred runs fit into memory.

    Attributes:
        regret: Cumulative, at the checkpoints.
        of_oracle: Net utility of the first 50,000 requests as a share of the oracle's.
        compared: Mean net utility of the first requests, as many as the baselines play.
        net, oracle, belady: Mean net utility of all that were played.
        loads: Adapters brought to the GPU.
    """

    regret: FloatArray
    of_oracle: float
    compared: float
    net: float
    oracle: float
    belady: float
    loads: int


def at_checkpoints(task: Task) -> Summary:
    """Play one task and sum it up."""
    world, requests = scene(task)
    episode = play(requests, _made(task, world, requests), policy(task.world), task.seed)
    marks = [mark for mark in CONFIG["checkpoints"] if mark <= len(episode.net)]
    half = slice(50_000)
    prior = [world.names.index(name) for name in world.best_by_prior()]
    return Summary(
        episode.regret[np.array(marks) - 1],
        float(episode.net[half].sum() / episode.oracle[half].sum()),
        float(episode.net[: CONFIG["compared"][task.world]].mean()),
        float(episode.net.mean()),
        float(episode.oracle.mean()),
        float(belady(requests.worth, world.miss, prior, world.config.capacity).mean()),
        episode.loads,
    )
