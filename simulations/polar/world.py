"""A world of topics and adapters: who is good at what, what is asked for, and what loading costs."""

from dataclasses import dataclass

import numpy as np

from banditroute.arrays import BoolArray, FloatArray, IntArray
from banditroute.controllers import Adapter
from banditroute.controllers.cache.placement import best_set


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldConfig:
    """What the world is made of; see ``config.toml``."""

    adapters: int
    capacity: int
    dimension: int
    popularity_exponent: float
    specialism: float
    base: float
    context_noise: float
    reward_noise: float
    load_s: tuple[float, ...]
    second_price: float


class World:
    """Topics with a popularity, one expert adapter for each, and linear utilities.

    A request of topic k has the context c_k + noise on the unit sphere; adapter a is worth
    base_a + specialism · ⟨c_a, x⟩ to it. Adapters that are good on average have unpopular specialities, so the
    best residents are not those of the best prior quality.

    Attributes:
        names: Of the adapters.
        adapters: Name → its load times.
        miss: Price of loading each; shape (adapters,).
    """

    def __init__(self, config: WorldConfig, seed: int) -> None:
        rng = np.random.default_rng([20260422, seed])
        self.config = config
        count = config.adapters
        self.names = tuple(f"adapter-{i:02d}" for i in range(count))
        centres = rng.normal(size=(count, config.dimension))
        self.centres: FloatArray = centres / np.linalg.norm(centres, axis=1, keepdims=True)
        rank = rng.permutation(count)
        popularity = 1.0 / (1.0 + rank) ** config.popularity_exponent
        self.popularity: FloatArray = popularity / popularity.sum()
        # The better the base, the less popular the speciality.
        self.base: FloatArray = config.base + 0.1 * rank / (count - 1)
        seconds = rng.choice(config.load_s, size=count)
        self.adapters = {name: Adapter(load_s=float(s)) for name, s in zip(self.names, seconds, strict=True)}
        self.miss: FloatArray = config.second_price * seconds

    def contexts(self, count: int, rng: np.random.Generator, popularity: FloatArray | None = None) -> FloatArray:
        """Contexts of a stationary stream; shape (count, d)."""
        topics = rng.choice(len(self.names), size=count, p=self.popularity if popularity is None else popularity)
        return self.around(topics, rng)

    def around(self, topics: IntArray, rng: np.random.Generator) -> FloatArray:
        """A context near the centre of each topic; shape (topics, d)."""
        x = self.centres[topics] + self.config.context_noise * rng.normal(
            size=(len(topics), self.config.dimension)
        )
        unit: FloatArray = x / np.linalg.norm(x, axis=1, keepdims=True)
        return unit

    def utilities(self, X: FloatArray) -> FloatArray:
        """What each adapter is worth to each context, before noise; shape (contexts, adapters)."""
        utilities: FloatArray = self.base + self.config.specialism * (X @ self.centres.T)
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
        """The adapters of the best mean quality when all topics are asked for alike."""
        every = self.utilities(self.centres).mean(axis=0)
        return tuple(self.names[i] for i in np.argsort(-every)[: self.config.capacity])
