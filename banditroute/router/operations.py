"""The operations of a running router: preferences, arms, prices, forgetting, explanations and health."""

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
from banditroute.router.state.arms import ArmCatalogue, new_arm_record
from banditroute.router.state.prices import effective_us
from banditroute.router.worker_log import WorkerLog


class RouterOperations:
    """The methods of :class:`~banditroute.Router` that neither decide nor learn; it sets the attributes."""

    _engine: Engine
    _log: WorkerLog
    _feedback: FeedbackHandler

    # ----------------------------------------------------------------------------------------------- preferences

    @property
    def preferences(self) -> Mapping[str, float]:
        """The weights of all requests without their own; read-only. Assigning a mapping changes them at once."""
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
        """Arm → ``"active"``, ``"draining"`` or ``"retired"``."""
        return {name: self._catalogue.record(name).status for name in self._catalogue.names}

    def add_arm(self, arm: Arm) -> None:
        """Add an arm; with the default exploration, a burn-in sends it a share of the traffic first."""
        with self._engine.lock:
            record = new_arm_record(arm, self._engine.objectives, now_us=self._engine.now_us())
            if arm.name in self._catalogue.names:
                raise InvalidArgumentError(f"arm {arm.name!r} exists already; names are never used again")
            self._put(record)

    def set_price(self, arm: str, price: Price, *, effective_at: datetime | None = None) -> None:
        """Change the price of an arm's tokens, from now or from ``effective_at`` on; learned data is kept.

        A time in the past means now: earlier decisions keep their price.
        """
        with self._engine.lock:
            now_us = self._engine.now_us()
            when = effective_us(effective_at, now_us)
            record = self._catalogue.record(arm)
            priced = replace(record.arm, price=price)
            self._put(replace(record, arm=priced, price_effective_us=when, recorded_us=now_us))

    def drain_arm(self, arm: str) -> None:
        """Send no new requests to an arm until :meth:`reactivate_arm`; feedback on its decisions is learned."""
        with self._engine.lock:
            if self._catalogue.record(arm).status == "retired":
                raise InvalidArgumentError(f"arm {arm!r} is retired; a retired arm cannot be drained")
            self._change(arm, status="draining")

    def reactivate_arm(self, arm: str) -> None:
        """Send new requests to a drained arm again; what was learned of it still counts."""
        with self._engine.lock:
            if self._catalogue.record(arm).status == "retired":
                raise InvalidArgumentError(f"arm {arm!r} is retired; a retired arm cannot serve again")
            self._change(arm, status="active")

    def retire_arm(self, arm: str, *, successor: str | None = None, n_eff: int = 0) -> None:
        """Retire an arm permanently; in later ``allowed=`` lists its name means its successor.

        With ``n_eff`` > 0 the successor inherits at the next decision, which excludes the retired arm: its prior
        is the retired arm's posterior, with the weight of at most ``n_eff`` observations (10 to 50 for a new
        version of a model). Its own outcomes soon outweigh them.
        """
        with self._engine.lock:
            self._check_inheritance(arm, successor, n_eff)
            if successor is not None:
                self._catalogue.position(successor)
            if successor == arm:
                raise InvalidArgumentError(f"arm {arm!r} cannot be its own successor")
            self._change(arm, status="retired", successor=successor, n_eff=n_eff)

    @property
    def _catalogue(self) -> ArmCatalogue:
        return self._engine.state.arms

    def _check_inheritance(self, arm: str, successor: str | None, n_eff: int) -> None:
        n_eff = require_integer("n_eff", n_eff, least=0)
        before = self._catalogue.record(arm)
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
        if self._catalogue.record(successor).status == "retired":
            raise InvalidArgumentError(f"arm {successor!r} is retired and cannot inherit")

    def _change(self, name: str, **changes: Any) -> None:
        self._put(replace(self._catalogue.record(name), **changes, recorded_us=self._engine.now_us()))

    def _put(self, record: ArmRecord) -> None:
        self._engine.require_open()
        self._catalogue.put(record)
        self._log.change_settings(record)

    # ------------------------------------------------------------------------------------------------- decisions

    def forget(self, *, source: str | None = None, decisions: Collection[str] = ()) -> int:
        """Remove the feedback of a source, or the outcomes of some decisions, from everything learned.

        The removal is exact: the sums have the bits that they would have without these outcomes. For ``decisions``
        the log also erases features, predictions and outcomes, so that no personal data is left. Other running
        workers remove the outcomes of decisions that they have in memory (at most 10,000); outcomes of older
        decisions stay in their sums until they are opened again.

        Returns the number of outcomes removed.

        Raises:
            InvalidArgumentError: if neither is given.
            InvalidDecisionIdError: for an id that this router never issued; then nothing is removed.
            StoreError: if the removal could not be written to stable storage.
        """
        self._engine.require_open()
        if source is None and not decisions:
            raise InvalidArgumentError("forget needs a source or decisions")
        keys = [self._log.keys.key(decision_id) for decision_id in decisions]
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
        """Return a decision's predictions, reasons and outcomes.

        Raises:
            InvalidDecisionIdError: for an id that this router never issued.
            DecisionExpiredError: if the store no longer holds the decision.
        """
        self._engine.require_open()
        entry = self._feedback.find(self._log.keys.key(decision_id))
        if entry is None:
            raise DecisionExpiredError("the store does not hold this decision")
        with self._engine.lock:
            outcomes = tuple(entry.feedback.values())
            return Explanation(decision_id, entry.decision, outcomes, self._engine.objectives)

    # ---------------------------------------------------------------------------------------------------- health

    def health(self) -> Health:
        """Return the health of the router and its store; queries the database."""
        state, faults, outbox = self._engine.state, self._engine.faults, self._log.outbox
        store = self._log.store.health().to_dict()
        store["last_error"] = store["last_error"] or outbox.last_error
        return Health(
            n_decisions=state.position.n_decisions,
            n_feedback=state.position.n_feedback,
            faults=faults.faults,
            last_fault=faults.last_fault,
            lost=outbox.lost,
            beyond_limit=dict(state.beyond_limit),
            vanished_features=self._engine.space.vanished,
            controllers={
                each.name: dict(each.report()) for each in state.controllers if isinstance(each, Reporter)
            },
            **store,
        )

    def digest(self) -> str:
        """Return the SHA-256 of everything learned: equal on any machine for the same feedback, in any order."""
        with self._engine.lock:
            return self._engine.state.digest()
