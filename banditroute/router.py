"""The router: situate → policy → draw → log, and feedback → learn → log.

Read :meth:`Router.route` and :meth:`Router.feedback` top to bottom; everything else serves them.
"""

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import cache
from types import TracebackType
from typing import Any

from banditroute.arms import Arm
from banditroute.arrays import Context, FloatArray, RowArray
from banditroute.barrier import Barrier
from banditroute.choice import Chooser, Prediction
from banditroute.controllers import Controller
from banditroute.identity import DecisionIds, IdSource, check_seed, new_secret, random_body
from banditroute.learning import folder
from banditroute.objectives import Objective, Objectives, Preferences
from banditroute.operations import Operations
from banditroute.outbox import Outbox
from banditroute.outcomes import outcomes_by_group
from banditroute.policies import LinUCB, Policy
from banditroute.records import (
    Decision,
    DecisionRecord,
    Explanation,
    FeedbackRecord,
    LogRecord,
    PreferencesRecord,
    Receipt,
    RouterSpec,
    SpaceRecord,
)
from banditroute.revision import revisions
from banditroute.space import FeatureSpace
from banditroute.state import Entry, Ledger, State, resume
from banditroute.state.roster import seed_records
from banditroute.store import Store, open_store
from banditroute.terms import Terms

LEDGER_DECISIONS = 10_000
QUALITY = (Objective("quality"),)

_log = logging.getLogger("banditroute")


class Router(Operations):
    """Chooses one arm per request, and learns from what is reported of it.

    All methods may be called from any thread. ``route`` touches no database and never raises for a fault of
    its own: it falls back to ``default_arm`` and says so in the decision. What callers get wrong (a vector of
    the wrong length, an unknown arm) raises, and changes nothing.

    Args:
        name: Of this router, unique in its store.
        arms: What there is to choose from. A store that knows this router knows its arms: new ones are added,
            those it has are left as they are there.
        objectives: What is measured of an outcome; just ``quality`` in [0, 1] by default.
        policy: How to choose; :class:`~banditroute.LinUCB` by default.
        controllers: What constrains or prices the choice, the outermost first; the same ones at each opening.
        preferences: Objective → weight ≥ 0; by default 1 for the first objective. They seed a new store; in one
            that knows this router the stored ones win, and are changed by setting ``router.preferences``.
        store: A database URL, a store, or None for memory.
        features: Number of features, or their names (then ``route`` takes mappings too); by default the first
            vector decides.
        intercept: Whether a constant 1 is appended to each vector.
        x_max: Bound of the absolute value of every feature.
        seed: Of all draws: the same seed and the same ids (or keys) give the same choices.
        default_arm: Where to go when deciding fails; by default the first arm.
        secret: What tags the ids, at least 32 bytes; by default random, and kept in the store.
        tenant: Whose router it is, where a store has many owners.
        clock, ids: Give the time [s since the epoch], and the 16-byte bodies of decision ids.

    Raises:
        InvalidArgumentError: for a setting that breaks its rule.
        RouterMismatchError: if the store holds a router of that name with another shape.
        StoreError: if the store cannot be opened.

    >>> router = Router("demo", arms=[Arm("small"), Arm("large")])
    >>> decision = router.route([0.3, 0.0, 1.0])
    >>> router.feedback(decision.id, quality=0.9).status
    'recorded'
    """

    def __init__(
        self,
        name: str,
        *,
        arms: Sequence[Arm],
        objectives: Sequence[Objective] = QUALITY,
        policy: Policy | None = None,
        controllers: Sequence[Controller] = (),
        preferences: Preferences | None = None,
        store: str | Store | None = None,
        features: int | Sequence[str] | None = None,
        intercept: bool = True,
        x_max: float = 4.0,
        seed: int = 0,
        default_arm: str | None = None,
        secret: bytes | None = None,
        tenant: str = "",
        clock: Callable[[], float] = time.time,
        ids: IdSource = random_body,
    ) -> None:
        self.policy: Policy = LinUCB() if policy is None else policy
        self.objectives = Objectives(objectives)
        self._clock = clock
        self._lock = threading.RLock()
        self._barrier = Barrier()
        weights = self.objectives.plain({self.objectives.names[0]: 1.0} if preferences is None else preferences)
        given = seed_records(arms, self.objectives, self._now_us())
        spec = RouterSpec.of(
            name, tenant, self.objectives, features, intercept=intercept, x_max=x_max, policy=self.policy
        )
        check_seed(seed)
        fresh_secret = new_secret() if secret is None else secret
        DecisionIds(fresh_secret, tenant, name)
        self._state = State(self.objectives, ridge=self.policy.ridge, controllers=controllers)
        self._store = open_store(store)
        self._outbox = Outbox(self._store)
        self._ledger = Ledger(self._store, limit=LEDGER_DECISIONS)
        stored = self._store.open(
            spec,
            given,
            PreferencesRecord(1, weights, self._now_us()),
            secret=fresh_secret,
            fold=folder({group: len(positions) for group, positions in self.objectives.groups.items()}),
        )
        try:
            news = resume(self._state, self._ledger, self._store, stored, given)
            default = self._state.roster.names[0] if default_arm is None else default_arm
            self._state.roster.position(default)
        except BaseException:
            self._store.close()
            raise
        if news:
            self._outbox.put(news)
        self.spec = stored.spec
        self._space = FeatureSpace(stored.spec, None if isinstance(features, int) else features)
        self._ids = DecisionIds(stored.secret if secret is None else secret, tenant, name)
        self._terms = Terms(self.objectives, self._state.roster, stored.preferences)
        if preferences is not None and dict(stored.preferences.preferences) != weights:
            _log.warning("router %r: the stored preferences %s win over the constructor's", name, self.preferences)
        self._chooser = Chooser(self.policy, self._state, self._barrier, default_arm=default, seed=seed, ids=ids)

    # ------------------------------------------------------------------------------------------------ deciding

    def route(
        self,
        x: Context | Mapping[str, float],
        *,
        allowed: Collection[str] | None = None,
        preferences: Preferences | None = None,
        prompt_tokens: int | None = None,
        max_cost_usd: float | None = None,
        key: str | None = None,
        session: str | None = None,
        incumbent: str | None = None,
        cohort: str | None = None,
    ) -> Decision:
        """Choose an arm for one request.

        Args:
            x: The request's features; shape (d,), each in [−x_max, x_max].
            allowed: Arms that may serve this request; all active ones by default.
            preferences: Weights for this request alone.
            prompt_tokens: Length of the prompt, for ``max_cost_usd`` [tokens].
            max_cost_usd: Arms whose predicted cost may exceed this are left out [USD].
            key: Takes the id's place in the draw: the same key gives the same draw.
            session: The conversation that the request belongs to, for controllers that price a switch.
            incumbent: The arm that served the session last, if the log need not be asked.
            cohort: The kind of traffic that it belongs to, for controllers that treat kinds alike.

        Raises:
            InvalidContextError: for a vector that is not what was declared.
            InvalidArgumentError: for preferences or limits that break their rule.
            UnknownArmError: if ``allowed`` names one.
            NoEligibleArmError: if no arm is left.
        """
        values = self._space.vector(x)
        with self._lock:
            request = self._terms.request(
                allowed,
                preferences,
                prompt_tokens,
                max_cost_usd,
                key,
                session=session,
                incumbent=incumbent,
                cohort=cohort,
                now_us=self._now_us(),
            )
            row = self._on_grid(values)
            return self._record(
                self._chooser.choose(row, request, lambda: self._state.predict(row, request.now_us))
            )

    def route_many(
        self,
        X: Context | Sequence[Context],
        *,
        allowed: Collection[str] | None = None,
        preferences: Preferences | None = None,
        max_cost_usd: float | None = None,
    ) -> list[Decision]:
        """Choose an arm for each row of ``X``, shape (requests, d), all with what is known now.

        The predictions of the whole batch are one matrix product. Arguments and errors are those of
        :meth:`route`; one refused row refuses the batch.
        """
        values = self._space.matrix(X)
        with self._lock:
            request = self._terms.request(allowed, preferences, None, max_cost_usd, None, now_us=self._now_us())
            rows = self._on_grid(values)
            batch = cache(lambda: self._state.predict(rows, request.now_us))

            def predicted(i: int) -> Callable[[], Prediction]:
                return lambda: (batch()[0][i], batch()[1][i])

            chosen = [self._chooser.choose(row, request, predicted(i), ahead=i) for i, row in enumerate(rows)]
            return [self._record(evidence) for evidence in chosen]

    def _record(self, evidence: DecisionRecord) -> Decision:
        with self._barrier:
            self._state.see_decision(evidence)
        self._ledger.add(Entry(evidence))
        self._outbox.put([evidence])
        propensity = float(evidence.probabilities[evidence.arms.index(evidence.arm)])
        return Decision(self._ids.issue(evidence.body), evidence.arm, propensity, evidence, self.objectives)

    def _on_grid(self, values: FloatArray) -> RowArray:
        if self.spec.dimension is None:
            spec = replace(self.spec, dimension=values.shape[-1])
            self._state.fix_dimension(spec)
            self.spec, self._space.dimension = spec, spec.dimension
            self._outbox.put([SpaceRecord(values.shape[-1], self._now_us())])
        return self._space.row(values)

    # ------------------------------------------------------------------------------------------------ learning

    def feedback(
        self,
        decision_id: str,
        *,
        served_arm: str | None = None,
        source: str | None = None,
        amend: bool = False,
        **outcomes: float,
    ) -> Receipt:
        """Report what came of a decision: some of it now, the rest whenever it is known, from any process.

        What is reported counts for the next choice at once, and is durable when the receipt is done. The same
        values again are harmless.

        Args:
            decision_id: ``Decision.id``.
            served_arm: The arm that really served, if that was a fallback; it is the one that is trained.
            source: Who says so.
            amend: Replace what was reported before.
            **outcomes: Objective → value in its own unit. Objectives of one group come together. With
                ``prompt_tokens`` and ``output_tokens`` the dollars are derived from the arm's price.

        Raises:
            InvalidDecisionIdError: for an id that this router never issued.
            InvalidOutcomeError: for values that are refused; then none of them is learned.
            FeedbackConflictError: if other values were reported before and ``amend`` is false.
            DecisionExpiredError: if the store no longer holds the decision.
        """
        body = self._ids.body(decision_id)
        with self._lock:
            entry = self._ledger.find(body)
            roster, decided_us = self._state.roster, entry.decision.created_us
            arm = entry.decision.arm if served_arm is None else served_arm
            # What a request cost is what its arm cost when it was decided, whenever the feedback comes.
            reported = outcomes_by_group(self.objectives, outcomes, arm, roster.price(arm, decided_us))
            factor = roster.price_factor(arm, decided_us)
            # The clock may have been set back since: nothing is reported before it was decided.
            now_us = max(self._now_us(), decided_us)
            records: list[FeedbackRecord] = []
            for outcome in reported:
                values = outcome.on_grid(self.objectives, price_factor=factor)
                number = self._state.position.learned + len(records)
                records += revisions(entry, outcome, values, arm, source, now_us, learned=number, amend=amend)
            return self._learn(decision_id, entry, records)

    def _learn(self, decision_id: str, entry: Entry, records: Sequence[FeedbackRecord]) -> Receipt:
        log: list[LogRecord] = []
        for record in records:
            with self._barrier:
                self._state.see_feedback(record)
            entry.feedback[record.group] = record
            log.append(record)
            if self._state.at_snapshot:
                log.append(self._state.snapshot(now_us=self._now_us()))
        stored = self._outbox.put(log)
        return Receipt(decision_id, "recorded" if records else "duplicate", stored)

    # ---------------------------------------------------------------------------------------------- looking back

    def why(self, decision_id: str) -> Explanation:
        """What was known when a decision was made, and what came of it.

        Raises:
            InvalidDecisionIdError: for an id that this router never issued.
            DecisionExpiredError: if the store no longer holds the decision.
        """
        body = self._ids.body(decision_id)
        with self._lock:
            entry = self._ledger.find(body)
            return Explanation(decision_id, entry.decision, tuple(entry.feedback.values()), self.objectives)

    def health(self) -> dict[str, Any]:
        """Decisions and feedbacks so far, and what must stay 0: internal faults, records that were not stored."""
        position = self._state.position
        return {
            "decided": position.decided,
            "learned": position.learned,
            "faults": self._barrier.faults,
            "last_fault": self._barrier.last_fault,
            "lost": self._outbox.lost,
            "last_error": self._outbox.last_error,
        }

    def digest(self) -> str:
        """SHA-256 of everything learned: equal on any machine that learned the same, in any order."""
        with self._lock:
            return self._state.digest()

    def flush(self) -> None:
        """Wait until everything so far is on stable storage.

        Raises:
            StoreUnavailableError: if anything since the opening is not, and never will be.
        """
        self._outbox.flush()

    def close(self) -> None:
        """Make everything durable and let go of the store."""
        self._store.close()

    def __enter__(self) -> "Router":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _now_us(self) -> int:
        return int(self._clock() * 1e6)
