"""The router: situate → policy → draw → log, and feedback → learn → log.

Read :meth:`Router.route` and :meth:`Router.feedback` top to bottom; everything else serves them.
"""

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from functools import cache
from os import PathLike
from pathlib import Path
from types import TracebackType

from banditroute.controllers import Controller
from banditroute.core.arms import Arm
from banditroute.core.arrays import Context, FloatArray, RowArray
from banditroute.core.decision import Decision
from banditroute.core.ids import DecisionIds, IdSource, check_seed, new_secret, random_body
from banditroute.core.log import DecisionRecord, PreferencesRecord, ReportRecord, SpaceRecord
from banditroute.core.objectives import Objective, Objectives, Preferences
from banditroute.core.prediction import Prediction
from banditroute.core.receipt import Receipt
from banditroute.core.runtime import forks
from banditroute.core.runtime.faults import FaultBarrier
from banditroute.core.runtime.periodic import PeriodicThread, unbound
from banditroute.core.spec import RouterSpec
from banditroute.errors import BanditRouteError, InvalidArgumentError, StoreError, StoreUnavailableError
from banditroute.features.space import FeatureSpace
from banditroute.learning import folder
from banditroute.policies import LinUCB, Policy
from banditroute.router.admin import Operations
from banditroute.router.choice import Chooser
from banditroute.router.feedback import FeedbackHandler
from banditroute.router.follower import LogFollower
from banditroute.router.open_windows import OpenWindows
from banditroute.router.outbox import Outbox
from banditroute.router.pending_changes import PendingChanges
from banditroute.router.requests import RequestBuilder, check_text
from banditroute.router.resolution import FeedbackResolver
from banditroute.router.state import DecisionEntry, RecentDecisions, State, resume
from banditroute.router.state.arms import seed_records
from banditroute.store import Store, open_store

RECENT_DECISIONS = 10_000
MAX_SOURCE = 200
FOLLOW_EVERY = 0.2
"""How often to look what other workers wrote [s]."""
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
        spool: A directory on local disk where records wait while the database is away; by default one beside a
            SQLite file, for PostgreSQL ``BANDITROUTE_SPOOL`` or one below the user's state directory.
        features: Number of features, or their names (then ``route`` takes mappings too); by default the first
            vector decides.
        intercept: Whether a constant 1 is appended to each vector.
        x_max: Bound of the absolute value of every feature.
        seed: Of all draws: the same seed and the same ids (or keys) give the same choices.
        default_arm: Where to go when deciding fails; by default the first arm.
        source_caps: Source → the largest share of all that is learned from its feedback; what is beyond it is
            kept in the log, not learned.
        secret: What tags the ids, at least 32 bytes; by default random, and kept in the store. Of several, the
            first tags new ids and all are accepted: put a new one in front to change it.
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
        spool: str | PathLike[str] | None = None,
        features: int | Sequence[str] | None = None,
        intercept: bool = True,
        x_max: float = 4.0,
        seed: int = 0,
        default_arm: str | None = None,
        source_caps: Mapping[str, float] | None = None,
        secret: bytes | Sequence[bytes] | None = None,
        tenant: str = "",
        clock: Callable[[], float] = time.time,
        ids: IdSource = random_body,
    ) -> None:
        self.policy: Policy = LinUCB() if policy is None else policy
        self.objectives = Objectives(objectives)
        self._clock = clock
        self._lock = threading.RLock()
        self._barrier = FaultBarrier()
        weights = self.objectives.plain({self.objectives.names[0]: 1.0} if preferences is None else preferences)
        given = seed_records(arms, self.objectives, self._now_us())
        spec = RouterSpec.of(
            name, tenant, self.objectives, features, intercept=intercept, x_max=x_max, policy=self.policy
        )
        check_seed(seed)
        # A secret that comes from configuration is not for the store.
        kept = new_secret()
        secrets = [secret] if isinstance(secret, bytes) else [kept] if secret is None else list(secret)
        self._ids = DecisionIds(secrets, tenant, name)
        self._keeps_secret_in_store = secret is None
        self._state = State(
            self.objectives, ridge=self.policy.ridge, controllers=controllers, source_caps=source_caps
        )
        self._store = open_store(store, spool=None if spool is None else Path(spool))
        self._outbox = Outbox(self._store)
        self._changes = PendingChanges()
        reviser = FeedbackResolver(self.objectives, self._state.roster, self._state.sources, self._lock)
        self._recent = RecentDecisions(self._store, limit=RECENT_DECISIONS)
        stored = self._store.open(
            spec,
            given,
            PreferencesRecord(1, weights, self._now_us()),
            secret=kept,
            fold=folder({group: len(positions) for group, positions in self.objectives.groups.items()}),
            revise=reviser.revise_stored,
        )
        try:
            news = resume(self._state, self._recent, self._store, stored, given, self._barrier)
            default = self._state.roster.names[0] if default_arm is None else default_arm
            self._state.roster.position(default)
        except BaseException:
            self._store.close()
            raise
        if stored.revision >= 0:
            reviser.ready.set()
        if news:
            self._outbox.put(news)
        self.spec = stored.spec
        self._space = FeatureSpace(stored.spec, None if isinstance(features, int) else features)
        if self._keeps_secret_in_store:
            self._ids = DecisionIds([stored.secret], tenant, name)
        self._terms = RequestBuilder(self.objectives, self._state.roster, stored.preferences)
        if preferences is not None and dict(stored.preferences.preferences) != weights:
            _log.warning("router %r: the stored preferences %s win over the constructor's", name, self.preferences)
        self._journal = LogFollower(
            self._store,
            self._state,
            self._recent,
            self._lock,
            self._barrier,
            revision=stored.revision,
            followed=stored.end,
            awaited=(of_others := OpenWindows(self.objectives)),
        )
        self._intake = FeedbackHandler(
            self._store,
            self._state,
            self._recent,
            self._journal,
            self._outbox,
            reviser,
            self._lock,
            self._barrier,
            unbound(self._now_us),
            unbound(self._follow),
            awaited=OpenWindows(self.objectives),
            of_others=of_others,
        )
        self._intake.resume()
        self._chooser = Chooser(self.policy, self._state, self._barrier, default_arm=default, seed=seed, ids=ids)
        self._begin_pulse()
        self._stand_still = forks.ForkLock(self._lock, self._begin_pulse)
        forks.watch(self._stand_still)

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
        self._intake.close_windows()
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
        self._intake.close_windows()
        with self._lock:
            request = self._terms.request(allowed, preferences, None, max_cost_usd, None, now_us=self._now_us())
            rows = self._on_grid(values)
            batch = cache(lambda: self._state.predict_many(rows, request.now_us))

            def predicted(i: int) -> Callable[[], Prediction]:
                return lambda: Prediction.exact(batch()[0][i], batch()[1][i])

            chosen = [self._chooser.choose(row, request, predicted(i), ahead=i) for i, row in enumerate(rows)]
            return [self._record(evidence) for evidence in chosen]

    def _record(self, evidence: DecisionRecord) -> Decision:
        with self._barrier:
            self._state.see_decision(evidence)
        self._recent.add(DecisionEntry(evidence))
        self._intake.awaited.decided(evidence.created_us, evidence.body)
        self._outbox.put([evidence])
        propensity = float(evidence.probabilities[evidence.arms.index(evidence.arm)])
        return Decision(self._ids.issue(evidence.body), evidence.arm, propensity, evidence, self.objectives)

    def _on_grid(self, values: FloatArray) -> RowArray:
        if self.spec.dimension is None:
            self._fix_dimension(replace(self.spec, dimension=values.shape[-1]))
            self._changes.add(self._outbox.put([SpaceRecord(values.shape[-1], self._now_us())]))
        return self._space.row(values)

    def _fix_dimension(self, spec: RouterSpec) -> None:
        self._state.fix_dimension(spec)
        self.spec, self._space.dimension = spec, spec.dimension

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
            DecisionExpiredError: if the store let the decision go, as too old.
            FeedbackConflictError: if other values were reported before and ``amend`` is false. Where another
                process reported them a moment ago, the receipt raises it.
        """
        body = self._ids.body(decision_id)
        check_text("source", source, longest=MAX_SOURCE)
        if not isinstance(amend, bool):
            raise InvalidArgumentError(f"amend = {amend!r:.40} must be True or False")
        self._intake.close_windows()
        return self._intake.take(
            decision_id, ReportRecord(body, outcomes, served_arm, source, amend, self._now_us())
        )

    # -------------------------------------------------------------------------------------- opening and closing

    def flush(self) -> None:
        """Wait until everything so far is on stable storage.

        Raises:
            StoreUnavailableError: if anything since the opening is not, and never will be.
        """
        self._outbox.flush()

    def sync(self) -> None:
        """Make everything durable, and read what other workers wrote; several times a second this happens anyway.

        Raises:
            StoreError: if the store cannot be read.
        """
        self.flush()
        self._follow()

    def _follow(self) -> None:
        mark = self._changes.mark()
        snapshot = self._journal.follow(lambda stored: self._adopt(stored, mark))
        if snapshot is not None:
            self._outbox.put([snapshot])

    def _begin_pulse(self) -> None:
        self._journal.begin()
        self._pulse = PeriodicThread(self._beat, interval=FOLLOW_EVERY) if self._store.is_shared else None

    def _beat(self) -> None:
        with self._barrier:
            try:
                self._follow()
                self._intake.close_all_windows()
            except BanditRouteError as error:
                # Nobody is there to whom it could be raised; that a store is away, health() tells.
                if not isinstance(error, StoreUnavailableError):
                    _log.error("router %r cannot follow its log: %s", self.spec.name, error)

    def close(self) -> None:
        """Make everything durable and let go of the store."""
        if self._pulse is not None:
            self._pulse.stop()
        with closing(self._store), suppress(StoreError):
            self._store.flush()
            self._follow()

    def __enter__(self) -> "Router":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _now_us(self) -> int:
        return int(self._clock() * 1e6)
