"""Sessions: the cost of changing the arm within a conversation."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from banditroute.controllers.base import Choice, Predict
from banditroute.core.arms import TOKENS_PER_PRICE
from banditroute.core.arrays import FloatArray
from banditroute.core.log import DecisionRecord, FeedbackRecord
from banditroute.core.objectives import COST
from banditroute.core.outcomes import TOKENS
from banditroute.core.situation import Situation
from banditroute.core.validation import require_integer, require_number

HOLD_FROM = 0.5


class SwitchCost(Protocol):
    """The cost of continuing with another arm."""

    def of(self, situation: Situation, incumbent: int, prefix_tokens: float) -> FloatArray:
        """In units of utility, for each arm that takes over from that at place ``incumbent``; shape (arms,), ≥ 0.

        ``prefix_tokens`` is what the session has said so far, or the request's prompt where the caller did not
        count.
        """
        ...


@dataclass(frozen=True, slots=True)
class PromptCache:
    """A change of arms gives up the incumbent's prompt cache: the prefix would have been cheaper there.

    Costs are to be learned as they are without a cache: report ``prompt_tokens`` and ``output_tokens``, of which
    the router makes dollars at the arm's price, or dollars at that price. Then every arm is expected to bill the
    whole prompt, and what is known better of the incumbent is tokens × price difference.

    Attributes:
        saving: Arm → by how much a cached prompt token is cheaper there. [USD per million tokens] ≥ 0
        utility_per_usd: What a dollar costs, in units of utility; by default by the request's weight of
            ``cost_usd`` and that objective's bounds, and nothing where there is no such objective.

    >>> PromptCache({"large": 2.25}).saving
    {'large': 2.25}
    """

    saving: Mapping[str, float]
    utility_per_usd: float | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        for arm, usd in self.saving.items():
            require_number(f"saving of arm {arm!r}", usd, least=0)
        if self.utility_per_usd is not None:
            require_number("utility_per_usd", self.utility_per_usd, least=0)

    def of(self, situation: Situation, incumbent: int, prefix_tokens: float) -> FloatArray:
        """Tokens × the incumbent's saving × price of a dollar, for the arm that takes over."""
        usd = prefix_tokens * self.saving.get(situation.arms[incumbent], 0.0) / TOKENS_PER_PRICE
        return np.full(len(situation.arms), usd * self._usd_price(situation))

    def _usd_price(self, situation: Situation) -> float:
        if self.utility_per_usd is not None:
            return self.utility_per_usd
        if COST not in situation.objectives.names:
            return 0.0
        j = situation.objectives.names.index(COST)
        return abs(float(situation.weights[j])) / situation.objectives[j].span


@dataclass(frozen=True, slots=True)
class AdapterLoad:
    """An arm has to be loaded before it can go on.

    Attributes:
        seconds: Arm → time of loading. [s] ≥ 0
        utility_per_second: What a second of waiting costs, in units of utility. [utility/s] ≥ 0
    """

    seconds: Mapping[str, float]
    utility_per_second: float = field(kw_only=True)

    def __post_init__(self) -> None:
        for arm, seconds in self.seconds.items():
            require_number(f"seconds of arm {arm!r}", seconds, least=0)
        require_number("utility_per_second", self.utility_per_second, least=0)

    def of(self, situation: Situation, incumbent: int, prefix_tokens: float) -> FloatArray:
        """Seconds × price of a second."""
        return self.utility_per_second * np.array([self.seconds.get(arm, 0.0) for arm in situation.arms])


@dataclass(frozen=True, slots=True)
class _Conversation:
    """The last arm of a session: when, in which decision, and the tokens so far."""

    arm: str
    seen_us: int
    body: str
    tokens: float | None = None


class Session:
    """Prices a change of arms within a session, and holds the incumbent while a change is not worth it.

    The incumbent is the arm that served the session last: what the caller says (``route(incumbent=…)``), else what
    the log says of ``route(session=…)``. Every other arm is priced by the cost of switching and a margin. If the
    choice then still falls on the incumbent it is held: chosen for certain, so that exploration does not tear
    conversations apart, in mode ``"held"``, which off-policy estimates leave out. Else the session moves, with the
    probabilities of that choice. Sessions begin as ever, with what the policy explores.

    The tokens of a session are what feedback says of its last turn (``prompt_tokens`` + ``output_tokens``), and at
    most ``route(prompt_tokens=…)``; the latter where nothing was said.

    Args:
        cost: What it costs to switch.
        margin: How much better, beyond the cost, another arm must be: hysteresis. [utility] ≥ 0
        lifetime_s: After so long a pause there is no incumbent any more: caches are cold. [s] > 0
        remembered: Of so many sessions the log is remembered, those seen last. ≥ 0
    """

    name = "session"

    def __init__(
        self,
        cost: SwitchCost,
        *,
        margin: float = 0.0,
        lifetime_s: float = 300.0,
        remembered: int = 4096,
    ) -> None:
        require_number("margin", margin, least=0)
        require_number("lifetime_s", lifetime_s, above=0)
        require_integer("remembered", remembered, least=0)
        self.cost = cost
        self.margin = float(margin)
        self.remembered = remembered
        self._lifetime_us = int(lifetime_s * 1e6)
        self._sessions: dict[str, _Conversation] = {}
        self._names: dict[str, str] = {}
        self._shown: dict[str, Any] = {}

    def control(self, situation: Situation, choice: Choice) -> FloatArray:
        """The choice where a switch has its price, or the incumbent for certain."""
        incumbent, tokens = self._incumbent(situation)
        self._shown = {"incumbent": incumbent}
        if incumbent is None:
            return choice(situation)
        index = situation.arms.index(incumbent)
        penalty = self.cost.of(situation, index, tokens) + self.margin
        penalty[index] = 0.0
        others = zip(situation.arms, penalty.tolist(), strict=True)
        self._shown["switch_cost"] = {arm: price for arm, price in others if arm != incumbent}
        probabilities = choice(situation.priced(penalty))
        if probabilities[index] < HOLD_FROM:
            return probabilities
        self._shown["mode"] = "held"
        held = np.zeros(len(situation.arms))
        held[index] = 1.0
        return held

    def effects(self, situation: Situation) -> Mapping[str, Any]:
        """The incumbent, what it costs to leave it for each other arm, and the mode if it was held."""
        return self._shown

    def decided(self, record: DecisionRecord, predict: Predict) -> None:
        """Remember the arm of the session."""
        if record.session is None or not self.remembered:
            return
        before = self._sessions.pop(record.session, None)
        if before is not None:
            self._names.pop(before.body, None)
        tokens = None if before is None else before.tokens
        conversation = _Conversation(record.arm, record.created_us, record.decision_key.hex(), tokens)
        self._sessions[record.session] = conversation
        self._names[conversation.body] = record.session
        if len(self._sessions) > self.remembered:
            oldest = next(iter(self._sessions))
            self._names.pop(self._sessions.pop(oldest).body)

    def learned(self, record: FeedbackRecord) -> None:
        """Remember how much was said, and who really served."""
        name = self._names.get(record.decision_key.hex())
        if name is None or record.values is None:
            return
        conversation = replace(self._sessions[name], arm=record.arm)
        if all(token in record.outcomes for token in TOKENS):
            conversation = replace(conversation, tokens=sum(record.outcomes[token] for token in TOKENS))
        self._sessions[name] = conversation

    def state(self) -> Mapping[str, Any]:
        """The sessions, those seen last at the end."""
        return {"sessions": [[name, c.arm, c.seen_us, c.body, c.tokens] for name, c in self._sessions.items()]}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from what :meth:`state` gave."""
        self._sessions = {name: _Conversation(*facts) for name, *facts in state["sessions"]}
        self._names = {conversation.body: name for name, conversation in self._sessions.items()}

    def _incumbent(self, situation: Situation) -> tuple[str | None, float]:
        """The arm that is still warm and may serve, and the tokens that it has seen."""
        request = situation.request
        known = None if request.session is None else self._sessions.get(request.session)
        if known is not None and request.now_us - known.seen_us > self._lifetime_us:
            known = None
        arm = request.incumbent or (known and known.arm)
        if arm is None or arm not in situation.arms or not situation.eligible[situation.arms.index(arm)]:
            return None, 0.0
        limit = math.inf if request.prompt_tokens is None else request.prompt_tokens
        said = None if known is None else known.tokens
        tokens = min(limit, math.inf if said is None else said)
        return arm, tokens if math.isfinite(tokens) else 0.0
