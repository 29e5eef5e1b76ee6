"""Administration of a running router: preferences, arms, prices, forgetting and health."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

from banditroute.controllers import Reporter
from banditroute.core.arms import Arm, ArmStatus, Price
from banditroute.core.explanation import Explanation
from banditroute.core.health import Health
from banditroute.core.log import ArmRecord, PreferencesRecord
from banditroute.core.objectives import Preferences
from banditroute.core.validation import require_integer
from banditroute.errors import DecisionExpiredError, InvalidArgumentError
from banditroute.router.engine import Engine
from banditroute.router.feedback import FeedbackHandler
from banditroute.router.state.arms import new_arm_record
from banditroute.router.state.prices import effective_us
from banditroute.router.worker_log import WorkerLog


class RouterAdmin:
    """Implements the administrative methods of :class:`~banditroute.Router`, where they are documented."""

    def __init__(self, engine: Engine, log: WorkerLog, feedback: FeedbackHandler) -> None:
        self._engine = engine
        self._log = log
        self._feedback = feedback
        self._arms = engine.state.arms

    # ----------------------------------------------------------------------------------------------- preferences

    @property
    def preferences(self) -> Mapping[str, float]:
        """The current preferences."""
        return MappingProxyType(dict(self._engine.requests.current.preferences))

    @preferences.setter
    def preferences(self, preferences: Preferences) -> None:
        requests, now_us = self._engine.requests, self._engine.now_us()
        plain = self._engine.objectives.plain(preferences)
        with self._engine.lock:
            self._engine.require_open()
            record = PreferencesRecord(requests.current.version + 1, plain, now_us)
            requests.set_preferences(record)
            self._log.change_settings(record)

    # ------------------------------------------------------------------------------------------------------ arms

    @property
    def arms(self) -> Mapping[str, ArmStatus]:
        """Arm → status."""
        return {name: self._arms.record(name).status for name in self._arms.names}

    def add_arm(self, arm: Arm) -> None:
        """Add an arm."""
        with self._engine.lock:
            record = new_arm_record(arm, self._engine.objectives, now_us=self._engine.now_us())
            if arm.name in self._arms.names:
                raise InvalidArgumentError(f"arm {arm.name!r} exists already; names are never used again")
            self._put(record)

    def set_price(self, arm: str, price: Price, *, effective_at: datetime | None) -> None:
        """Change what an arm's tokens cost."""
        with self._engine.lock:
            now_us = self._engine.now_us()
            when = effective_us(effective_at, now_us)
            record = self._arms.record(arm)
            priced = replace(record.arm, price=price)
            self._put(replace(record, arm=priced, price_effective_us=when, recorded_us=now_us))

    def drain_arm(self, arm: str) -> None:
        """Send no new requests to an arm."""
        with self._engine.lock:
            if self._arms.record(arm).status == "retired":
                raise InvalidArgumentError(f"arm {arm!r} is retired; a retired arm cannot be drained")
            self._change(arm, status="draining")

    def reactivate_arm(self, arm: str) -> None:
        """Send new requests to a drained arm again."""
        with self._engine.lock:
            if self._arms.record(arm).status == "retired":
                raise InvalidArgumentError(f"arm {arm!r} is retired; a retired arm cannot serve again")
            self._change(arm, status="active")

    def retire_arm(self, arm: str, *, successor: str | None, n_eff: int) -> None:
        """Retire an arm permanently."""
        with self._engine.lock:
            self._check_inheritance(arm, successor, n_eff)
            if successor is not None:
                self._arms.position(successor)
            if successor == arm:
                raise InvalidArgumentError(f"arm {arm!r} cannot be its own successor")
            self._change(arm, status="retired", successor=successor, n_eff=n_eff)

    def _check_inheritance(self, arm: str, successor: str | None, n_eff: int) -> None:
        n_eff = require_integer("n_eff", n_eff, least=0)
        before = self._arms.record(arm)
        if before.n_eff and (successor, n_eff) != (before.successor, before.n_eff):
            raise InvalidArgumentError(f"arm {arm!r} is retired, and {before.successor!r} has inherited from it")
        if not n_eff:
            return
        if successor is None:
            raise InvalidArgumentError(f"n_eff = {n_eff} needs a successor of arm {arm!r}")
        if before.status == "retired" and not before.n_eff:
            raise InvalidArgumentError(
                f"arm {arm!r} was retired without a successor; inheritance can only be set when it is retired"
            )
        if self._arms.record(successor).status == "retired":
            raise InvalidArgumentError(f"arm {successor!r} is retired and cannot inherit")

    def _change(self, name: str, **changes: Any) -> None:
        self._put(replace(self._arms.record(name), **changes, recorded_us=self._engine.now_us()))

    def _put(self, record: ArmRecord) -> None:
        self._engine.require_open()
        self._arms.put(record)
        self._log.change_settings(record)

    # ------------------------------------------------------------------------------------------------- decisions

    def forget(self, *, source: str | None, decisions: Collection[str]) -> int:
        """Remove outcomes from everything learned."""
        self._engine.require_open()
        if source is None and not decisions:
            raise InvalidArgumentError("forget needs a source or decisions")
        keys = [self._log.key(decision_id) for decision_id in decisions]
        self._log.outbox.flush()
        self._feedback.follower.follow()
        forgotten = self._feedback.forget(keys, source=None)
        if source is not None:
            # Sorted, so that the order of the log does not depend on the store.
            found = sorted(self._log.store.decisions_with_source(source))
            forgotten += self._feedback.forget(found, source=source)
        self._log.outbox.flush()
        if keys:
            self._feedback.follower.drop_snapshot()
            self._log.store.erase(keys)
            with self._engine.lock:
                self._log.recent.drop(keys)
        return forgotten

    def why(self, decision_id: str) -> Explanation:
        """Return a decision's predictions, reasons and outcomes."""
        self._engine.require_open()
        entry = self._feedback.find(self._log.key(decision_id))
        if entry is None:
            raise DecisionExpiredError("the store does not hold this decision")
        with self._engine.lock:
            outcomes = tuple(entry.feedback.values())
            return Explanation(decision_id, entry.decision, outcomes, self._engine.objectives)

    # ---------------------------------------------------------------------------------------------------- health

    def health(self) -> Health:
        """Return the health of the router and its store."""
        state, faults, outbox = self._engine.state, self._engine.faults, self._log.outbox
        store = self._log.store.health().to_dict()
        store["last_error"] = store["last_error"] or outbox.last_error
        return Health(
            n_decisions=state.position.n_decisions,
            n_feedback=state.position.n_feedback,
            faults=faults.faults,
            last_fault=faults.last_fault,
            lost=outbox.lost,
            controllers={
                each.name: dict(each.report()) for each in state.controllers if isinstance(each, Reporter)
            },
            **store,
        )

    def digest(self) -> str:
        """Return a hash of everything learned."""
        with self._engine.lock:
            return self._engine.state.digest()
