"""Exact disjoint LinUCB in other libraries, through its public methods; they learn one scalar reward."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, TypeAlias

import numpy as np

from banditroute.core.arrays import FloatArray
from simulations.speed.learner import Learner
from simulations.speed.stream import Stream

Maker: TypeAlias = Callable[[Stream, float], Learner]
"""(stream, alpha) → a learner with ridge λ = 1, the only value at which all of them are right."""


class _Scalar:
    """What is common to learners of one reward."""

    def __init__(self, stream: Stream, alpha: float) -> None:
        self.dimension = stream.dimension
        self.alpha = alpha * float(np.abs(stream.weights).sum())

    def prepare(self, x: FloatArray) -> Any:
        """The context as it is."""
        return x

    def outcomes(self, stream: Stream) -> Sequence[Sequence[float]]:
        """The scalarised reward of every request and arm."""
        rewards: list[list[float]] = stream.utility(stream.Y).tolist()
        return rewards

    def warm(self, stream: Stream) -> None:
        """Row by row."""
        for arm, x, reward in zip(
            stream.warm_arms.tolist(),
            stream.warm_contexts,
            stream.utility(stream.warm_outcomes).tolist(),
            strict=True,
        ):
            self.learn(arm, self.prepare(x), reward)

    def learn(self, arm: int, x: Any, outcome: Any) -> None:
        """By the library."""
        raise NotImplementedError

    def centre(self) -> FloatArray:
        """Zero."""
        return np.zeros(self.dimension)

    def bonus(self, leverage: FloatArray) -> FloatArray:
        """α times the root of the leverage."""
        return np.asarray(self.alpha * np.sqrt(leverage))


class MabWiser(_Scalar):
    """``mabwiser.mab.MAB`` with ``LearningPolicy.LinUCB``."""

    def __init__(self, stream: Stream, alpha: float) -> None:
        super().__init__(stream, alpha)
        mab = import_module("mabwiser.mab")
        policy = mab.LearningPolicy.LinUCB(alpha=self.alpha, l2_lambda=1.0)
        self._mab = mab.MAB(arms=list(range(stream.arms)), learning_policy=policy)

    def prepare(self, x: FloatArray) -> Any:
        """A matrix of one row."""
        return x[np.newaxis]

    def warm(self, stream: Stream) -> None:
        """All rows at once, which it does in the same closed form."""
        self._mab.fit(stream.warm_arms, stream.utility(stream.warm_outcomes), stream.warm_contexts)

    def decide(self, x: Any) -> int:
        """``predict``."""
        return int(self._mab.predict(x))

    def learn(self, arm: int, x: Any, outcome: Any) -> None:
        """``partial_fit`` of one row."""
        self._mab.partial_fit([arm], [outcome], x)


class Obp(_Scalar):
    """``obp.policy.LinUCB``, whose ``epsilon`` is α."""

    def __init__(self, stream: Stream, alpha: float) -> None:
        super().__init__(stream, alpha)
        policy = import_module("obp.policy").LinUCB
        self._policy = policy(dim=stream.dimension, n_actions=stream.arms, epsilon=self.alpha, random_state=0)

    def prepare(self, x: FloatArray) -> Any:
        """A matrix of one row."""
        return x[np.newaxis]

    def warm(self, stream: Stream) -> None:
        """As one batch, since every batch copies the matrices of all arms."""
        self._policy.batch_size = len(stream.warm_arms)
        super().warm(stream)
        self._policy.batch_size = 1

    def decide(self, x: Any) -> int:
        """``select_action``."""
        return int(self._policy.select_action(x)[0])

    def learn(self, arm: int, x: Any, outcome: Any) -> None:
        """``update_params``."""
        self._policy.update_params(action=arm, reward=outcome, context=x)


class ParetoBandit(_Scalar):
    """``pareto_bandit.policy.DisjointLinUCBPolicy`` without forgetting."""

    def __init__(self, stream: Stream, alpha: float) -> None:
        super().__init__(stream, alpha)
        self._names = [f"arm-{i}" for i in range(stream.arms)]
        self._numbers = {name: i for i, name in enumerate(self._names)}
        policy = import_module("pareto_bandit.policy").DisjointLinUCBPolicy
        self._policy = policy(self._names, dim=stream.dimension, alpha=self.alpha, init_lambda=1.0, seed=0)

    def decide(self, x: Any) -> int:
        """``select_arm`` and ``mark_selected``, as its router does."""
        name, _ = self._policy.select_arm(x)
        self._policy.mark_selected(name)
        return self._numbers[name]

    def learn(self, arm: int, x: Any, outcome: Any) -> None:
        """``update``."""
        self._policy.update(self._names[arm], x, outcome, advance_time=False)


class River(_Scalar):
    """``river.bandit.LinUCBDisjoint``: its width is that of a new reward, √(1 + leverage), and it has no α."""

    def __init__(self, stream: Stream, alpha: float) -> None:
        super().__init__(stream, alpha)
        stats, bandit = import_module("river.stats"), import_module("river.bandit")
        self._policy = bandit.LinUCBDisjoint(alpha=1.0, beta=1.0, reward_obj=stats.Mean(), seed=0)
        self._arms = list(range(stream.arms))

    def prepare(self, x: FloatArray) -> Any:
        """A dictionary."""
        return dict(enumerate(x.tolist()))

    def decide(self, x: Any) -> int:
        """``pull``."""
        return int(self._policy.pull(self._arms, context=x))

    def learn(self, arm: int, x: Any, outcome: Any) -> None:
        """``update``."""
        self._policy.update(arm, x, outcome)

    def bonus(self, leverage: FloatArray) -> FloatArray:
        """One standard deviation of a new reward with unit noise."""
        return np.asarray(np.sqrt(1.0 + leverage))


PEERS: Mapping[str, Maker] = {"mabwiser": MabWiser, "obp": Obp, "paretobandit": ParetoBandit, "river": River}
