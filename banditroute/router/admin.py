"""What operators do with a running router: preferences, arms and prices, all of it live; and how it does."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from banditroute.controllers import Reporter
from banditroute.core.arms import Arm, ArmStatus, Price
from banditroute.core.explanation import Explanation
from banditroute.core.ids import DecisionIds
from banditroute.core.log import ArmRecord
from banditroute.core.objectives import Objectives, Preferences
from banditroute.core.runtime.faults import FaultBarrier
from banditroute.core.spec import RouterSpec, StoredRouter
from banditroute.errors import DecisionExpiredError, InvalidArgumentError
from banditroute.router.feedback import FeedbackHandler
from banditroute.router.outbox import Outbox
from banditroute.router.pending_changes import PendingChanges
from banditroute.router.requests import RequestBuilder
from banditroute.router.state import RecentDecisions, State
from banditroute.router.state.arms import new_arm_record
from banditroute.router.state.prices import effective_us
from banditroute.store import Store


class Operations(ABC):
    """The operating half of :class:`~banditroute.Router`; each change is recorded and none forgets anything."""

    objectives: Objectives
    _lock: threading.RLock
    _state: State
    _terms: RequestBuilder
    _outbox: Outbox
    _recent: RecentDecisions
    _store: Store
    _intake: FeedbackHandler
    _ids: DecisionIds
    _keeps_secret_in_store: bool
    _barrier: FaultBarrier
    _changes: PendingChanges
    spec: RouterSpec

    @property
    def preferences(self) -> Mapping[str, float]:
        """The weights of all requests that bring none of their own; setting them acts at once."""
        return dict(self._terms.standing.preferences)

    @preferences.setter
    def preferences(self, preferences: Preferences) -> None:
        with self._lock:
            record = self._terms.changed(preferences, now_us=self._now_us())
            self._terms.stand(record)
            self._changes.add(self._outbox.put([record]))

    @property
    def arms(self) -> Mapping[str, ArmStatus]:
        """Arm → ``"active"``, ``"draining"`` or ``"retired"``."""
        return {name: self._state.roster.record(name).status for name in self._state.roster.names}

    def add_arm(self, arm: Arm) -> None:
        """Add an arm; it is tried out with a share of the traffic before its score decides."""
        with self._lock:
            record = new_arm_record(arm, self.objectives, now_us=self._now_us())
            if arm.name in self._state.roster.names:
                raise InvalidArgumentError(f"arm {arm.name!r} exists already; names are never used again")
            self._put(record)

    def set_price(self, arm: str, price: Price, *, effective_at: datetime | None = None) -> None:
        """Change what an arm's tokens cost, from now or from ``effective_at`` on; nothing learned is lost.

        A time in the past means now: decisions that were made are not priced anew.
        """
        with self._lock:
            when = effective_us(effective_at, self._now_us())
            price_now = replace(self._state.roster.record(arm).arm, price=price)
            self._change(arm, arm=price_now, price_effective_us=when)

    def drain_arm(self, arm: str) -> None:
        """Send no new requests to an arm; feedback for its decisions is still learned."""
        with self._lock:
            if self._state.roster.record(arm).status == "retired":
                raise InvalidArgumentError(f"arm {arm!r} is retired, for good")
            self._change(arm, status="draining")

    def retire_arm(self, arm: str, *, successor: str | None = None, n_eff: int = 0) -> None:
        """Take an arm out for good; in later ``allowed=`` lists its successor stands for it.

        With ``n_eff`` the successor inherits, once a decision was made without the retired arm: it is believed to
        do as the retired arm did, as if about that many, and at most that many, of the outcomes had been its own
        (10 to 50 for a new version of a model). Its own outcomes soon outweigh them.
        """
        with self._lock:
            self._check_estate(arm, successor, n_eff)
            if successor is not None:
                self._state.roster.position(successor)
            if successor == arm:
                raise InvalidArgumentError(f"arm {arm!r} cannot be its own successor")
            self._change(arm, status="retired", successor=successor, n_eff=n_eff)

    def _check_estate(self, arm: str, successor: str | None, n_eff: int) -> None:
        if isinstance(n_eff, bool) or not isinstance(n_eff, int) or n_eff < 0:
            raise InvalidArgumentError(f"n_eff = {n_eff!r} must be an integer, at least 0")
        before = self._state.roster.record(arm)
        if before.n_eff and (successor, n_eff) != (before.successor, before.n_eff):
            raise InvalidArgumentError(f"arm {arm!r} is retired, and {before.successor!r} has inherited from it")
        if not n_eff:
            return
        if successor is None:
            raise InvalidArgumentError(f"n_eff = {n_eff} needs a successor of arm {arm!r}")
        if before.status == "retired" and not before.n_eff:
            raise InvalidArgumentError(f"arm {arm!r} is retired already, and left nothing behind")
        if self._state.roster.record(successor).status == "retired":
            raise InvalidArgumentError(f"arm {successor!r} is retired and cannot inherit")

    def _change(self, name: str, **changes: Any) -> None:
        self._put(replace(self._state.roster.record(name), **changes, recorded_us=self._now_us()))

    def _put(self, record: ArmRecord) -> None:
        self._state.roster.put(record)
        self._changes.add(self._outbox.put([record]))

    def _adopt(self, stored: StoredRouter, mark: int | None) -> bool:
        """Take over what other workers changed, unless a change of our own since ``mark`` would be undone."""
        with self._lock:
            if mark is None or mark != self._changes.mark():
                return False
            if self._keeps_secret_in_store:
                self._ids.accept(stored.secret)
            self._state.roster.adopt(stored)
            self._intake.reviser.ready.set()
            self._recent.set_horizon(stored.horizon_us)
            if stored.preferences.version > self._terms.standing.version:
                self._terms.stand(stored.preferences)
            if self.spec.dimension is None and stored.spec.dimension is not None:
                self._fix_dimension(stored.spec)
            return True

    def forget(self, *, source: str | None = None, decisions: Collection[str] = ()) -> int:
        """Take what a source said, or what came of some decisions, out of everything that was learned.

        Exactly: what is believed afterwards is, bit for bit, what it would be had it never been said. Of
        ``decisions`` the log forgets features, expectations and outcomes as well, so that nothing personal is
        left. Other workers that are running take out what they have at hand, which is the last 10,000 decisions;
        of older ones they go on believing what they did until they are opened again.

        Returns how many outcomes were taken out.

        Raises:
            InvalidArgumentError: if neither is given.
            InvalidDecisionIdError: for an id that this router never issued; then nothing is forgotten.
            StoreError: if it is not on stable storage.
        """
        if source is None and not decisions:
            raise InvalidArgumentError("forget needs a source or decisions")
        bodies = [self._ids.body(decision_id) for decision_id in decisions]
        self.sync()
        forgotten = self._intake.forget(bodies, source=None)
        if source is not None:
            # In the order of their ids, whatever the store's: the order is that of the log from then on.
            forgotten += self._intake.forget(sorted(self._store.decisions_with_source(source)), source=source)
        self.flush()
        if bodies:
            self._intake.journal.withdraw()
            self._store.erase(bodies)
            with self._lock:
                self._recent.drop(bodies)
        return forgotten

    def why(self, decision_id: str) -> Explanation:
        """What was known when a decision was made, and what came of it.

        Raises:
            InvalidDecisionIdError: for an id that this router never issued.
            DecisionExpiredError: if the store no longer holds the decision.
        """
        entry = self._intake.entry(self._ids.body(decision_id))
        if entry is None:
            raise DecisionExpiredError("the store does not hold this decision")
        with self._lock:
            return Explanation(decision_id, entry.decision, tuple(entry.feedback.values()), self.objectives)

    def health(self) -> dict[str, Any]:
        """Decisions and feedbacks so far; what must stay 0: internal faults, records that were not stored.

        Under ``"controllers"`` stands what those that have something to say report, by their names; the rest is
        how the store does.
        """
        position = self._state.position
        reporters = [each for each in self._state.controllers if isinstance(each, Reporter)]
        return {
            "decided": position.decided,
            "learned": position.learned,
            "faults": self._barrier.faults,
            "last_fault": self._barrier.last_fault,
            "lost": self._outbox.lost,
            "last_error": self._outbox.last_error,
            "controllers": {each.name: dict(each.report()) for each in reporters},
            **self._store.health(),
        }

    def digest(self) -> str:
        """SHA-256 of everything learned: equal on any machine that learned the same, in any order."""
        with self._lock:
            return self._state.digest()

    @abstractmethod
    def sync(self) -> None:
        """Make everything durable, and read what other workers wrote."""

    @abstractmethod
    def flush(self) -> None:
        """Wait until everything so far is on stable storage."""

    @abstractmethod
    def _fix_dimension(self, spec: RouterSpec) -> None:
        """Begin to believe, now that the number of features is known."""

    @abstractmethod
    def _now_us(self) -> int:
        """The router's clock [us]."""
