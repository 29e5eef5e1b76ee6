"""Session controller: prices a change of the arm within a conversation."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from banditroute.controllers.base import Choice, Predict
from banditroute.core.arms import TOKENS_PER_PRICE
from banditroute.core.arrays import FloatArray
from banditroute.core.log import DecisionRecord, FeedbackRecord
from banditroute.core.log_time import LogTime
from banditroute.core.objectives import COST
from banditroute.core.outcomes import TOKENS
from banditroute.core.situation import Situation
from banditroute.core.validation import require_integer, require_number, set_number

HOLD_FROM = 0.5


class SwitchCost(Protocol):
    """Protocol: the cost of continuing a session with another arm."""

    def of(self, situation: Situation, incumbent: int, prefix_tokens: float) -> FloatArray:
        """Return the cost [utility] of switching from arm number ``incumbent`` to each arm; shape (arms,), ≥ 0.

        ``prefix_tokens`` is the number of tokens of the session so far, or of the request's prompt if no feedback
        reported tokens.
        """
        ...


@dataclass(frozen=True, slots=True)
class PromptCache:
    """The cost of losing the incumbent's prompt cache, where the prefix is cheaper.

    Report costs as without a cache: report ``prompt_tokens`` and ``output_tokens``, which the router converts to
    cost by the arm's price, or report the cost at that price. Then every arm is predicted to cost the whole
    prompt, and the advantage of the incumbent is tokens × price difference.

    Attributes:
        saving: Arm → saving by a cached prompt token. [USD per million tokens] ≥ 0
        utility_per_usd: Utility of a dollar [utility/USD]; by default from the request's weight of ``cost_usd``
            and that objective's bounds, or 0 without such an objective.

    >>> PromptCache({"large": 2.25}).saving
    {'large': 2.25}
    """

    saving: Mapping[str, float]
    utility_per_usd: float | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        saving = {arm: require_number(f"saving of arm {arm!r}", usd, least=0) for arm, usd in self.saving.items()}
        object.__setattr__(self, "saving", saving)
        if self.utility_per_usd is not None:
            set_number(self, "utility_per_usd", least=0)

    def of(self, situation: Situation, incumbent: int, prefix_tokens: float) -> FloatArray:
        """Return tokens × the incumbent's saving × utility of a dollar, the same for each arm."""
        usd = prefix_tokens * self.saving.get(situation.arms[incumbent], 0.0) / TOKENS_PER_PRICE
        return np.full(len(situation.arms), usd * self._utility_per_usd(situation))

    def _utility_per_usd(self, situation: Situation) -> float:
        if self.utility_per_usd is not None:
            return self.utility_per_usd
        if COST not in situation.objectives.names:
            return 0.0
        j = situation.objectives.names.index(COST)
        return abs(float(situation.weights[j])) / situation.objectives[j].span


@dataclass(frozen=True, slots=True)
class AdapterLoad:
    """The cost of loading an arm before it can continue the session.

    Attributes:
        seconds: Arm → load time. [s] ≥ 0
        utility_per_second: Cost of a second of waiting. [utility/s] ≥ 0
    """

    seconds: Mapping[str, float]
    utility_per_second: float = field(kw_only=True)

    def __post_init__(self) -> None:
        seconds = {arm: require_number(f"seconds of arm {arm!r}", s, least=0) for arm, s in self.seconds.items()}
        object.__setattr__(self, "seconds", seconds)
        set_number(self, "utility_per_second", least=0)

    def of(self, situation: Situation, incumbent: int, prefix_tokens: float) -> FloatArray:
        """Return load time × cost of a second."""
        return self.utility_per_second * np.array([self.seconds.get(arm, 0.0) for arm in situation.arms])


@dataclass(frozen=True, slots=True)
class _Conversation:
    """The last decision of a session: its arm, time and key, and the session's tokens so far."""

    arm: str
    seen_us: int
    decision_key: str
    tokens: float | None = None


class Session:
    """Prices a change of arms within a session, and holds the incumbent while a change is not worth its cost.

    The incumbent is the arm that served the session last: the arm passed by the caller (``route(incumbent=…)``),
    else the last arm in the log for ``route(session=…)``. Every other arm is priced by the cost of switching and a
    margin. If the incumbent then still has a probability of at least ½, it is held: chosen with probability 1, so
    that exploration does not interrupt conversations. The decision has the mode ``"held"``, which off-policy
    estimates exclude. Otherwise the arm is drawn with the probabilities of the priced choice. The first request of
    a session is decided by the policy, with its exploration.

    The tokens of a session are those of the last feedback (``prompt_tokens`` + ``output_tokens``), but at most
    ``route(prompt_tokens=…)``; without such feedback, the latter.

    Args:
        cost: The cost of switching.
        margin: Advantage beyond the cost that another arm must have (hysteresis). [utility] ≥ 0
        lifetime_s: Pause after which a session has no incumbent, since caches are cold. [s] > 0
        remembered: Number of sessions kept in memory, those used last. ≥ 0
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
        margin = require_number("margin", margin, least=0)
        lifetime_s = require_number("lifetime_s", lifetime_s, above=0)
        remembered = require_integer("remembered", remembered, least=0)
        self.cost = cost
        self.margin = float(margin)
        self.remembered = remembered
        self._lifetime_us = int(lifetime_s * 1e6)
        self._sessions: dict[str, _Conversation] = {}
        self._sessions_by_key: dict[str, str] = {}
        self._last_effects: dict[str, Any] = {}
        self._time = LogTime()

    def control(self, situation: Situation, choice: Choice) -> FloatArray:
        """Return the choice with priced switches, or the incumbent with probability 1."""
        incumbent, tokens = self._incumbent(situation)
        self._last_effects = {"incumbent": incumbent}
        if incumbent is None:
            return choice(situation)
        index = situation.arms.index(incumbent)
        penalty = self.cost.of(situation, index, tokens) + self.margin
        penalty[index] = 0.0
        others = zip(situation.arms, penalty.tolist(), strict=True)
        self._last_effects["switch_cost"] = {arm: price for arm, price in others if arm != incumbent}
        probabilities = choice(situation.priced(penalty))
        if probabilities[index] < HOLD_FROM:
            return probabilities
        self._last_effects["mode"] = "held"
        held = np.zeros(len(situation.arms))
        held[index] = 1.0
        return held

    def effects(self, situation: Situation) -> Mapping[str, Any]:
        """Return the incumbent, the switching cost to each other arm, and the mode if the incumbent is held."""
        return self._last_effects

    def decided(self, record: DecisionRecord, predict: Predict) -> None:
        """Store the decision as the session's last one."""
        now_us = self._time.advance(record.created_us)
        if record.session is None or not self.remembered:
            return
        before = self._sessions.pop(record.session, None)
        if before is not None:
            self._sessions_by_key.pop(before.decision_key, None)
        tokens = None if before is None else before.tokens
        conversation = _Conversation(record.arm, now_us, record.decision_key.hex(), tokens)
        self._sessions[record.session] = conversation
        self._sessions_by_key[conversation.decision_key] = record.session
        if len(self._sessions) > self.remembered:
            oldest = next(iter(self._sessions))
            self._sessions_by_key.pop(self._sessions.pop(oldest).decision_key)

    def learned(self, record: FeedbackRecord) -> None:
        """Store the reported tokens, and the arm that served."""
        name = self._sessions_by_key.get(record.decision_key.hex())
        if name is None or record.values is None:
            return
        conversation = replace(self._sessions[name], arm=record.arm)
        if all(token in record.outcomes for token in TOKENS):
            conversation = replace(conversation, tokens=sum(record.outcomes[token] for token in TOKENS))
        self._sessions[name] = conversation

    def state(self) -> Mapping[str, Any]:
        """Return the sessions, ordered by their last use."""
        return {
            "sessions": [[name, c.arm, c.seen_us, c.decision_key, c.tokens] for name, c in self._sessions.items()],
            "time": self._time.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from the result of :meth:`state`."""
        self._sessions = {name: _Conversation(*facts) for name, *facts in state["sessions"]}
        self._sessions_by_key = {conversation.decision_key: name for name, conversation in self._sessions.items()}
        self._time = LogTime.restored(state.get("time"))

    def _incumbent(self, situation: Situation) -> tuple[str | None, float]:
        """Return the incumbent, None if it is not eligible or its cache is cold, and the session's tokens."""
        request = situation.request
        known = None if request.session is None else self._sessions.get(request.session)
        if known is not None and self._time.at(request.now_us) - known.seen_us > self._lifetime_us:
            known = None
        arm = request.incumbent or (known and known.arm)
        if arm is None or arm not in situation.arms or not situation.eligible[situation.arms.index(arm)]:
            return None, 0.0
        limit = math.inf if request.prompt_tokens is None else request.prompt_tokens
        reported = None if known is None else known.tokens
        tokens = min(limit, math.inf if reported is None else reported)
        return arm, tokens if math.isfinite(tokens) else 0.0
