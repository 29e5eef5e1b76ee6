"""A simulated world of topics and adapters: utilities, requests, and loading costs."""

from dataclasses import dataclass

import numpy as np

from banditroute.controllers import Adapter
from banditroute.controllers.cache.placement import best_set
from banditroute.core.arrays import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldConfig:
    """Parameters of the world; see ``config.toml``. By default there are as many topics as adapters.

    Attributes:
        by_yesterday: Whether the set by prior is the best for yesterday's requests, when the popular topics were
            not; else it is the adapters that are best on average.
    """

    adapters: int
    capacity: int
    dimension: int
    popularity_exponent: float
    specialism: float
    base: float
    base_spread: float
    context_noise: float
    reward_noise: float
    load_s: tuple[float, ...]
    utility_per_second: float
    topics: int | None = None
    pass_or_fail: bool = False
    by_yesterday: bool = False


class World:
    """Topics with a popularity, one expert adapter for each, and linear utilities.

    A request of topic k has the context c_k + noise on the unit sphere; adapter a is worth
    base_a + specialism · ⟨s_a, x⟩ to it, with s_a the centre of its own topic. Adapters that are good on average
    have unpopular specialities, so the
    best residents are not those of the best prior quality.

    Attributes:
        names: Of the adapters.
        adapters: Name → its load times.
        miss: Price of loading each; shape (adapters,).
    """

    def __init__(self, config: WorldConfig, seed: int) -> None:
        rng = np.random.default_rng([20260422, seed])
        self.config = config
        count, topics = config.adapters, config.topics or config.adapters
        self.names = tuple(f"adapter-{i:02d}" for i in range(count))
        self.centres: FloatArray = _on_sphere(rng.normal(size=(topics, config.dimension)))
        rank = rng.permutation(topics)
        self.popularity: FloatArray = _zipf(rank, config.popularity_exponent)
        self._yesterday = _zipf(topics - 1 - rank, config.popularity_exponent)
        self._seed = seed
        expert_of = np.arange(count) % topics
        # Where adapters and topics differ in number, several adapters are about one topic, each in its own way.
        apart = 0.0 if topics == count else config.context_noise
        jitter = np.random.default_rng([20260423, seed]).normal(size=(count, config.dimension))
        self.specialities: FloatArray = _on_sphere(self.centres[expert_of] + apart * jitter)
        # The better the base, the less popular the speciality.
        self.base: FloatArray = config.base + config.base_spread * rank[expert_of] / (topics - 1)
        seconds = rng.choice(config.load_s, size=count)
        self.adapters = {name: Adapter(load_s=float(s)) for name, s in zip(self.names, seconds, strict=True)}
        self.miss: FloatArray = config.utility_per_second * seconds

    def contexts(self, count: int, rng: np.random.Generator, popularity: FloatArray | None = None) -> FloatArray:
        """Contexts of a stationary stream; shape (count, d)."""
        topics = rng.choice(len(self.centres), size=count, p=self.popularity if popularity is None else popularity)
        return self.around(topics, rng)

    def around(self, topics: IntArray, rng: np.random.Generator) -> FloatArray:
        """A context near the centre of each topic; shape (topics, d)."""
        x = self.centres[topics] + self.config.context_noise * rng.normal(
            size=(len(topics), self.config.dimension)
        )
        return _on_sphere(x)

    def utilities(self, X: FloatArray) -> FloatArray:
        """What each adapter is worth to each context, before noise; shape (contexts, adapters)."""
        utilities: FloatArray = self.base + self.config.specialism * (X @ self.specialities.T)
        return utilities.clip(0.0, 1.0)

    def best_residents(self, X: FloatArray) -> BoolArray:
        """The best fixed set for these contexts, its means known; shape (adapters,)."""
        values = self.utilities(X).T
        floor = (values - self.miss[:, np.newaxis]).max(axis=0)
        nothing = np.zeros(len(self.names))
        return best_set(values, floor, nothing, np.ones(len(self.names)), self.config.capacity)

    def served(self, X: FloatArray, residents: BoolArray) -> FloatArray:
        """What the best choice earns with these residents, net of misses; shape (contexts,)."""
        net: FloatArray = (self.utilities(X) - np.where(residents, 0.0, self.miss)).max(axis=1)
        return net

    def best_by_prior(self) -> tuple[str, ...]:
        """Return the best adapters for yesterday's requests, or for equally popular topics."""
        if self.config.by_yesterday:
            rng = np.random.default_rng([20260424, self._seed])
            held = self.best_residents(self.contexts(4_000, rng, self._yesterday))
            return tuple(name for name, is_held in zip(self.names, held, strict=True) if is_held)
        every = self.utilities(self.centres).mean(axis=0)
        return tuple(self.names[i] for i in np.argsort(-every)[: self.config.capacity])


def _zipf(rank: IntArray, exponent: float) -> FloatArray:
    popularity: FloatArray = np.asarray(1.0 / (1.0 + rank) ** exponent, np.float64)
    popularity /= popularity.sum()
    return popularity


def _on_sphere(x: FloatArray) -> FloatArray:
    unit: FloatArray = x / np.linalg.norm(x, axis=1, keepdims=True)
    return unit
