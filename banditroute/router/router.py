"""The router: it validates, delegates, opens and closes.

The way of a request: :mod:`.requests` checks it, :mod:`.choice` draws an arm, :mod:`.worker_log` writes it down.
The way of a report: :mod:`.feedback` finds its decision, :mod:`.resolution` says what it means, the engine learns.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing, suppress
from datetime import datetime
from os import PathLike
from pathlib import Path
from types import TracebackType

from banditroute.controllers import Controller
from banditroute.core.arms import Arm, ArmStatus, Price
from banditroute.core.arrays import Context
from banditroute.core.decision import Decision
from banditroute.core.explanation import Explanation
from banditroute.core.health import Health
from banditroute.core.ids import IdSource, check_seed, random_key
from banditroute.core.objectives import Objective, Objectives, Preferences
from banditroute.core.outcomes import merged
from banditroute.core.receipt import Receipt
from banditroute.core.spec import RouterSpec
from banditroute.errors import StoreError
from banditroute.policies import LinUCB, Policy
from banditroute.router.admin import RouterAdmin
from banditroute.router.choice import Chooser
from banditroute.router.engine import Engine
from banditroute.router.feedback import FeedbackHandler
from banditroute.router.opening import open_log
from banditroute.router.upkeep import Upkeep
from banditroute.store import Store

QUALITY = (Objective("quality"),)


class Router:
    """Chooses one arm per request, and learns from the outcomes that are reported.

    All methods may be called from any thread. ``route`` touches no database and never raises for an internal
    fault: it falls back to ``default_arm`` and says so in the decision. Invalid input (a vector of the wrong
    length, an unknown arm) raises an exception and has no side effect.

    Args:
        name: Name of the router, unique in its store and tenant.
        arms: The arms to choose from. A store that knows this router knows its arms: new ones are added, those it
            has stay as they are there.
        objectives: What is measured of an outcome; just ``quality`` in [0, 1] by default.
        policy: How to choose; :class:`~banditroute.LinUCB` by default.
        controllers: What constrains or prices the choice, the outermost first; the same ones at each opening.
        preferences: Objective → weight ≥ 0; by default 1 for the first objective. They seed a new store; in one
            that knows this router the stored ones win, and are changed by setting ``router.preferences``.
        store: A database URL, a store, or None for memory.
        spool: A directory on local disk where records wait while the database is unavailable; by default one
            beside a SQLite file, for PostgreSQL ``BANDITROUTE_SPOOL`` or one below the user's state directory.
        features: Number of features, or their names (then ``route`` takes mappings too); by default the first
            vector decides.
        intercept: Whether a constant 1 is appended to each vector.
        x_max: Bound of the absolute value of every feature.
        seed: Seed of all draws: the same seed and the same ids (or keys) give the same choices.
        default_arm: Where to go when deciding fails; by default the first arm.
        source_caps: Source → the largest share of all that is learned from its feedback; what is beyond it is
            kept in the log and not learned.
        secret: Tags the ids, at least 32 bytes; by default random, and kept in the store. Of several, the first
            tags new ids and all are accepted: put a new one in front to change it.
        tenant: Owner of the router, where a store has many.
        clock: Gives the time [s since the epoch].
        ids: Gives decision keys, 16 bytes each.

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
        ids: IdSource = random_key,
    ) -> None:
        policy = LinUCB() if policy is None else policy
        spec = RouterSpec.of(
            name, tenant, Objectives(objectives), features, intercept=intercept, x_max=x_max, policy=policy
        )
        check_seed(seed)
        self._engine = Engine(
            spec,
            policy,
            controllers=controllers,
            source_caps=source_caps,
            feature_names=None if isinstance(features, int) else features,
            clock=clock,
        )
        self._log = open_log(
            self._engine,
            arms=arms,
            preferences=preferences,
            store=store,
            spool=None if spool is None else Path(spool),
            secret=secret,
        )
        try:
            self._chooser = Chooser(self._engine, default_arm=default_arm, seed=seed, ids=ids)
            self._feedback = FeedbackHandler(self._engine, self._log)
        except BaseException:
            self._log.store.close()
            raise
        self._admin = RouterAdmin(self._engine, self._log, self._feedback)
        self._upkeep = Upkeep(self._engine, self._feedback, is_shared=self._log.store.is_shared)

    def __repr__(self) -> str:
        spec, position = self.spec, self._engine.state.position
        owner = f" of tenant {spec.tenant!r}" if spec.tenant else ""
        return (
            f"<Router {spec.name!r}{owner}: {len(self._engine.state.arms)} arms, "
            f"{', '.join(self.objectives.names)}; {self.policy!r}; "
            f"{position.n_decisions} decisions, {position.n_feedback} feedbacks>"
        )

    @property
    def spec(self) -> RouterSpec:
        """The shape of the router: what its log means."""
        return self._engine.spec

    @property
    def objectives(self) -> Objectives:
        """The objectives, in order."""
        return self._engine.objectives

    @property
    def policy(self) -> Policy:
        """The policy."""
        return self._engine.policy

    # ------------------------------------------------------------------------------------------------- deciding

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
            key: Replaces the id in the draw: the same key gives the same draw.
            session: The conversation that the request belongs to, for controllers that price a switch.
            incumbent: The arm that served the session last, if the log need not be asked.
            cohort: The kind of traffic that it belongs to, for controllers that treat kinds alike.

        Raises:
            InvalidContextError: for a vector that is not what was declared.
            InvalidArgumentError: for preferences or limits that break their rule.
            UnknownArmError: if ``allowed`` names one.
            NoEligibleArmError: if no arm is left.
        """
        values = self._engine.space.vector(x)
        self._feedback.close_windows()
        with self._engine.lock:
            request = self._engine.requests.build(
                now_us=self._engine.now_us(),
                allowed=allowed,
                preferences=preferences,
                prompt_tokens=prompt_tokens,
                max_cost_usd=max_cost_usd,
                key=key,
                session=session,
                incumbent=incumbent,
                cohort=cohort,
            )
            row = self._log.row(values)
            return self._log.record(self._chooser.choose(row, request))

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
        values = self._engine.space.matrix(X)
        self._feedback.close_windows()
        with self._engine.lock:
            request = self._engine.requests.build(
                now_us=self._engine.now_us(), allowed=allowed, preferences=preferences, max_cost_usd=max_cost_usd
            )
            choices = self._chooser.choose_many(self._log.row(values), request)
            return [self._log.record(choice) for choice in choices]

    # ------------------------------------------------------------------------------------------------- learning

    def feedback(
        self,
        decision_id: str,
        outcomes: Mapping[str, float] | None = None,
        /,
        *,
        served_arm: str | None = None,
        source: str | None = None,
        amend: bool = False,
        **more: float,
    ) -> Receipt:
        """Report outcomes of a decision: some of them now, the rest whenever they are known, from any process.

        What is reported counts for the next choice at once, and is durable when the receipt is done. The same
        values again are harmless.

        Args:
            decision_id: ``Decision.id``.
            outcomes: Objective → value in its own unit; the same as keyword arguments, for names that are not
                known when the program is written. Objectives of one group come together. With ``prompt_tokens``
                and ``output_tokens`` the dollars are derived from the arm's price.
            served_arm: The arm that really served, if that was a fallback; it is the one that is trained.
            source: Who judged.
            amend: Replace what was reported before.
            **more: More outcomes.

        Raises:
            InvalidDecisionIdError: for an id that this router never issued.
            InvalidOutcomeError: for values that are refused; then none of them is learned.
            DecisionExpiredError: if the store deleted the decision, as too old.
            FeedbackConflictError: if other values were reported before and ``amend`` is false. Where another
                process reported them a moment ago, the receipt raises it.
        """
        reported = more if outcomes is None else merged(outcomes, more)
        return self._feedback.report(decision_id, reported, served_arm=served_arm, source=source, amend=amend)

    # ------------------------------------------------------------------------------------------------ operating

    @property
    def preferences(self) -> Mapping[str, float]:
        """The weights of all requests that bring none of their own; setting them acts at once."""
        return self._admin.preferences

    @preferences.setter
    def preferences(self, preferences: Preferences) -> None:
        self._admin.preferences = preferences

    @property
    def arms(self) -> Mapping[str, ArmStatus]:
        """Arm → ``"active"``, ``"draining"`` or ``"retired"``."""
        return self._admin.arms

    def add_arm(self, arm: Arm) -> None:
        """Add an arm; it is tried out with a share of the traffic before its score decides."""
        self._admin.add_arm(arm)

    def set_price(self, arm: str, price: Price, *, effective_at: datetime | None = None) -> None:
        """Change what an arm's tokens cost, from now or from ``effective_at`` on; nothing learned is lost.

        A time in the past means now: decisions that were made are not priced again.
        """
        self._admin.set_price(arm, price, effective_at=effective_at)

    def drain_arm(self, arm: str) -> None:
        """Send no new requests to an arm; feedback for its decisions is still learned."""
        self._admin.drain_arm(arm)

    def retire_arm(self, arm: str, *, successor: str | None = None, n_eff: int = 0) -> None:
        """Take an arm out for good; in later ``allowed=`` lists its successor stands for it.

        With ``n_eff`` the successor inherits, once a decision was made without the retired arm: its prior is the
        retired arm's posterior, with the weight of at most ``n_eff`` observations (10 to 50 for a new version of a
        model). Its own outcomes soon outweigh them.
        """
        self._admin.retire_arm(arm, successor=successor, n_eff=n_eff)

    def forget(self, *, source: str | None = None, decisions: Collection[str] = ()) -> int:
        """Take the feedback of a source, or the outcomes of some decisions, out of everything that was learned.

        Exactly: what was learned afterwards is, bit for bit, what it would be without them. For ``decisions`` the
        log erases features, expectations and outcomes as well, so that nothing personal is left. Other workers
        that are running take out what they have in memory, which is the last 10,000 decisions; older ones stay in
        their sums until they are opened again.

        Returns how many outcomes were taken out.

        Raises:
            InvalidArgumentError: if neither is given.
            InvalidDecisionIdError: for an id that this router never issued; then nothing is forgotten.
            StoreError: if it is not on stable storage.
        """
        return self._admin.forget(source=source, decisions=decisions)

    def why(self, decision_id: str) -> Explanation:
        """Return the predictions and the reasons of a decision, and its outcomes.

        Raises:
            InvalidDecisionIdError: for an id that this router never issued.
            DecisionExpiredError: if the store no longer holds the decision.
        """
        return self._admin.why(decision_id)

    def health(self) -> Health:
        """How the router and its store do; asks the database."""
        return self._admin.health()

    def digest(self) -> str:
        """SHA-256 of everything learned: equal on any machine that learned the same, in any order."""
        return self._admin.digest()

    # -------------------------------------------------------------------------------------------------- closing

    def flush(self) -> None:
        """Wait until everything so far is on stable storage.

        Raises:
            StoreUnavailableError: if anything since the opening is not, and never will be.
        """
        self._log.outbox.flush()

    def sync(self) -> None:
        """Make everything durable, and read what other workers wrote; several times a second this happens anyway.

        Raises:
            StoreError: if the store cannot be read.
        """
        self.flush()
        self._feedback.follower.follow()

    def close(self) -> None:
        """Make everything durable and close the store."""
        self._upkeep.stop()
        with closing(self._log.store), suppress(StoreError):
            self._log.store.flush()
            self._feedback.follower.follow()

    def __enter__(self) -> "Router":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
