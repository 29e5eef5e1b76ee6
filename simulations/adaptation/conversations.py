"""Conversations with the prefix reuse of a real trace: what it costs to change models in the middle of one."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from banditroute import LinUCB, Objective, Price
from banditroute.controllers import PromptCache, Session
from banditroute.core.arrays import FloatArray
from simulations.adaptation.drive import COST_BOUND_USD, Drive

BLOCK_TOKENS = 512
COST = Objective("cost_usd", goal="min", bounds=(0, COST_BOUND_USD))


@dataclass(frozen=True, slots=True)
class Turn:
    """One request of the trace."""

    arrival_s: float
    prompt_tokens: int
    output_tokens: int
    blocks: tuple[int, ...]
    session: int


def turns(directory: Path, requests: int) -> list[Turn]:
    """Read the trace; a request that repeats a prefix beyond the shared blocks continues its session."""
    from pyarrow import parquet  # type: ignore[import-untyped]

    path = directory / "mooncake_conversation" / "mooncake_conversation.parquet"
    rows = parquet.read_table(path).slice(0, requests).to_pylist()
    owner: dict[int, int] = {}
    found = []
    for number, row in enumerate(rows):
        blocks = tuple(row["hash_ids"])
        session = number
        for block in blocks[1:]:
            if block not in owner:
                break
            session = owner[block]
        owner.update(dict.fromkeys(blocks[1:], session))
        tokens = max(int(row["input_tokens"]), 1), int(row["output_tokens"])
        found.append(Turn(row["arrival_s"], *tokens, blocks, session))
    return found


class Caches:
    """The prefix cache of each model, block by block, with a lifetime."""

    def __init__(self, arms: int, lifetime_s: float) -> None:
        self._seen: list[dict[int, float]] = [{} for _ in range(arms)]
        self._lifetime_s = lifetime_s

    def hits(self, arm: int, turn: Turn) -> int:
        """Return how many leading tokens of the prompt this model still has cached."""
        blocks = 0
        for block in turn.blocks:
            if turn.arrival_s - self._seen[arm].get(block, -np.inf) > self._lifetime_s:
                break
            blocks += 1
        return min(blocks * BLOCK_TOKENS, turn.prompt_tokens)

    def serve(self, arm: int, turn: Turn) -> int:
        """Serve a turn: return the cached tokens, then cache the whole prompt."""
        found = self.hits(arm, turn)
        self._seen[arm].update(dict.fromkeys(turn.blocks, turn.arrival_s))
        return found


@dataclass(frozen=True, slots=True)
class Bill:
    """Results of one way to serve the trace: means per request."""

    quality: float
    usd: float
    rebilled_usd: float
    switches: float
    held: float
    score_cost: float
    """(1 − quality) + cost weight × dollars / bound."""


def serve(trace: list[Turn], world: dict[str, Any], way: str, seed: int) -> Bill:
    """Serve it with ``way``: ``"session"``, ``"always"`` (as if every request stood alone) or ``"never"``."""
    arms, prices = list(world["arms"]), world["arms"]
    lifetime_s = world["lifetime_s"]
    session = Session(
        PromptCache({arm: prices[arm]["saving"] for arm in arms}), margin=world["margin"], lifetime_s=lifetime_s
    )
    settings = {"policy": LinUCB(), "controllers": [session] if way == "session" else []}
    objectives = [Objective("quality", bounds=(0, 1)), COST]
    listed = {name: Price(input=price["input"], output=price["output"]) for name, price in prices.items()}
    preferences = {"quality": 1.0, "cost_usd": world["cost_weight"]}
    drive = Drive(arms, objectives, preferences, settings, seed, listed)
    X, quality = _requests(trace, world, seed)
    caches, incumbents = Caches(len(arms), lifetime_s), dict[int, str]()
    start_s = drive.clock.now_s
    totals = np.zeros(5)
    with drive.open() as router:
        for t, turn in enumerate(trace):
            drive.clock.now_s = start_s + turn.arrival_s
            before = incumbents.get(turn.session)
            decision = router.route(
                X[t],
                session=str(turn.session),
                prompt_tokens=turn.prompt_tokens,
                allowed=[before] if way == "never" and before else None,
            )
            arm = arms.index(decision.arm)
            price, cached = prices[decision.arm], caches.serve(arm, turn)
            again = 0 if before in (None, decision.arm) else caches.hits(arms.index(before or ""), turn)
            missed = max(again - cached, 0) * price["saving"] / 1e6
            full = (price["input"] * turn.prompt_tokens + price["output"] * turn.output_tokens) / 1e6
            usd = full - cached * price["saving"] / 1e6
            router.feedback(
                decision.id,
                quality=quality[t, arm],
                prompt_tokens=turn.prompt_tokens,
                output_tokens=turn.output_tokens,
            )
            switched = before is not None and before != decision.arm
            totals += quality[t, arm], usd, missed, switched, decision.mode == "held"
            incumbents[turn.session] = decision.arm
    means = totals / len(trace)
    score = 1 - means[0] + world["cost_weight"] * means[1] / COST_BOUND_USD
    quality_mean, usd_mean, missed_mean, switches, held = means.tolist()
    return Bill(quality_mean, usd_mean, missed_mean, switches, held, float(score))


def _requests(trace: list[Turn], world: dict[str, Any], seed: int) -> tuple[FloatArray, FloatArray]:
    """Features, and how good each model's answer is; turns of a session are alike in how hard they are."""
    rng = np.random.default_rng([5, seed])
    base = {turn.session: rng.normal() for turn in trace}
    steady = world["steadiness"]
    hardness = np.array([steady * base[turn.session] + np.sqrt(1 - steady**2) * rng.normal() for turn in trace])
    length = np.log10([turn.prompt_tokens for turn in trace]) / 5
    X = np.column_stack([np.clip(hardness + world["blur"] * rng.normal(size=len(trace)), -4, 4) / 4, length])
    skill = np.array([arm["skill"] for arm in world["arms"].values()])
    spread = np.array([arm["slope"] for arm in world["arms"].values()])
    mean = skill - spread * hardness[:, np.newaxis]
    return X, np.clip(mean + 0.1 * rng.normal(size=mean.shape), 0, 1)
