"""The router: opens and closes the log, decides and learns; its other methods are in :mod:`.operations`.

A request: :mod:`.requests` checks it, :mod:`.choice` draws an arm, :mod:`.worker_log` logs the decision.
A report: :mod:`.feedback` finds its decision, :mod:`.resolution` turns it into records, the engine learns them.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing, suppress
from os import PathLike
from types import TracebackType

from banditroute.controllers import Controller
from banditroute.core.arms import Arm
from banditroute.core.arrays import Context
from banditroute.core.decision import Decision
from banditroute.core.explanation import Explanation
from banditroute.core.ids import IdSource, checked_seed, random_key
from banditroute.core.objectives import Objective, Objectives, Preferences
from banditroute.core.outcomes import merged
from banditroute.core.receipt import Receipt
from banditroute.core.spec import RouterSpec
from banditroute.core.validation import as_path
from banditroute.errors import InvalidArgumentError, StoreError
from banditroute.policies import LinUCB, Policy
from banditroute.router.choice import Chooser
from banditroute.router.differences import OnChange
from banditroute.router.engine import Engine
from banditroute.router.feedback import FeedbackHandler
from banditroute.router.opening import open_log
from banditroute.router.operations import RouterOperations
from banditroute.router.upkeep import Upkeep
from banditroute.store import Store

QUALITY = (Objective("quality"),)


class Router(RouterOperations):
    """Chooses one arm per request, and learns from the reported outcomes.

    All methods may be called from any thread. ``route`` does not query a database and never raises for an internal
    fault: it falls back to ``default_arm``, and the decision has the mode ``"fallback"``. Invalid input (a vector
    of the wrong length, an unknown arm) raises an exception and has no side effect. While more than 2,000 records
    wait for the database, ``route`` and ``feedback`` pause for 0.5 to 5 ms, so that they do not run ahead of it.

    Args:
        name: Name of the router, unique in its store and tenant.
        arms: The arms to choose from. If the store holds this router, new arms are added, and stored arms keep
            their stored settings.
        objectives: The measured objectives; by default only ``quality`` in [0, 1].
        policy: The policy that chooses; :class:`~banditroute.LinUCB` by default.
        controllers: Controllers that constrain or price the choice, the outermost first; the same at each opening.
        preferences: Objective → weight ≥ 0; by default 1 for the first objective. A new store takes them. If the
            store holds this router, the stored ones win; set ``router.preferences`` to change those.
        store: A database URL, a store, or None for memory.
        spool: A directory on local disk that holds records while the database is unavailable; by default next
            to the SQLite file, for PostgreSQL ``BANDITROUTE_SPOOL`` or a directory in the user's state directory.
        features: Number of features, or their names (``route`` then accepts mappings too); by default the
            first vector fixes the number.
        intercept: Whether a constant 1 is appended to each vector.
        x_max: Largest absolute value of a feature.
        seed: Seed of all draws: the same seed and the same ids (or keys) give the same choices.
        default_arm: The arm to choose after an internal fault; by default the first arm.
        source_caps: Source → the largest share of all learned feedback that may come from it; feedback above the
            cap is kept in the log and not learned.
        secret: Secret that authenticates decision ids, at least 32 bytes; by default random, and kept in the
            store. Of several secrets, the first tags new ids and all are accepted: put a new one first to change
            it.
        tenant: Owner of the router, for a store with several owners.
        clock: Returns the time [s since the epoch].
        ids: Returns a new decision key of 16 bytes.
        on_change: What to do if arms, prices or preferences given here differ from the stored ones: ``"keep"``
            the stored ones, ``"apply"`` those given here (an arm that is not given is drained), or ``"refuse"`` to
            open. Each difference is logged in one line. Arms that are not stored yet are added in any case.
        recent_bytes: Largest memory of recent decisions, at most 10,000, whose feedback needs no query [bytes];
            estimated. ≥ 0

    Raises:
        InvalidArgumentError: for a setting that breaks its rule.
        RouterMismatchError: if the store holds a router of that name with another shape, or with other settings
            and ``on_change="refuse"``.
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
        on_change: OnChange = "keep",
        recent_bytes: int = 64 << 20,
    ) -> None:
        policy = LinUCB() if policy is None else policy
        spec = RouterSpec.of(
            name,
            tenant,
            Objectives(objectives),
            features,
            intercept=intercept,
            x_max=x_max,
            policy=policy,
            source_caps=source_caps,
        )
        seed = checked_seed(seed)
        self._engine = Engine(spec, policy, controllers=controllers, clock=clock)
        self._log = open_log(
            self._engine,
            arms=arms,
            preferences=preferences,
            store=store,
            spool=None if spool is None else as_path("spool", spool),
            secret=secret,
            on_change=on_change,
            recent_bytes=recent_bytes,
        )
        try:
            self._chooser = Chooser(self._engine, default_arm=default_arm, seed=seed, ids=ids)
            self._feedback = FeedbackHandler(self._engine, self._log)
        except BaseException:
            self._log.store.close()
            raise
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
        """The shape of the router, by which its log is read."""
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
            allowed: Arms that may serve this request; by default all active arms.
            preferences: Weights for this request only.
            prompt_tokens: Length of the prompt, for ``max_cost_usd`` [tokens].
            max_cost_usd: Arms whose predicted cost may exceed this are excluded [USD].
            key: Replaces the id in the draw: the same key gives the same draw.
            session: The conversation of the request, for controllers that price a switch of arms.
            incumbent: The arm that served the session last; by default taken from the log.
            cohort: The kind of traffic of the request, for controllers that treat kinds of traffic separately.

        Raises:
            InvalidContextError: for a vector that does not match the declared features.
            InvalidArgumentError: for preferences or limits that break their rule.
            UnknownArmError: if ``allowed`` or ``incumbent`` names an unknown arm.
            NoEligibleArmError: if no arm is eligible.
        """
        self._engine.require_open()
        values = self._engine.space.vector(x)
        self._log.outbox.pace()
        self._feedback.close_windows()
        with self._engine.lock:
            self._engine.require_open()
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
        """Choose an arm for each row of ``X``, shape (requests, d), all from the current state.

        The predictions of the whole batch are one matrix product. For arguments and errors see :meth:`route`; one
        invalid row rejects the batch.
        """
        self._engine.require_open()
        values = self._engine.space.matrix(X)
        self._log.outbox.pace()
        self._feedback.close_windows()
        with self._engine.lock:
            self._engine.require_open()
            request = self._engine.requests.build(
                now_us=self._engine.now_us(), allowed=allowed, preferences=preferences, max_cost_usd=max_cost_usd
            )
            choices = self._chooser.choose_many(self._log.row(values), request)
            return [self._log.record(choice) for choice in choices]

    def would_choose(
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
    ) -> Explanation:
        """Return the choice that :meth:`route` would make now, with its reasons, and log nothing.

        Nothing changes: no counter, no controller and no id. For arguments and errors see :meth:`route`. Without
        ``key`` the arm is one draw from the probabilities, and :meth:`route` may draw another.

        Raises:
            InvalidArgumentError: also if the number of features is not known yet.
        """
        self._engine.require_open()
        values = self._engine.space.vector(x)
        with self._engine.lock:
            self._engine.require_open()
            if self._engine.spec.dimension is None:
                raise InvalidArgumentError("the number of features is not known yet; give Router features=")
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
            record = self._chooser.preview(self._engine.space.row(values), request)
        return Explanation("", record, (), self._engine.objectives)

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
        """Report outcomes of a decision, from any process; each objective group may be reported separately.

        The next choice uses the outcomes at once, and they are durable when the receipt is done. Reporting the
        same values again has no effect.

        Args:
            decision_id: ``Decision.id``.
            outcomes: Objective → value in its own unit, like keyword arguments, for names that are only known at
                run time. Report all objectives of a group together. ``prompt_tokens`` and ``output_tokens`` give
                the cost by the arm's price.
            served_arm: The arm that served the request, if another one than chosen; the outcomes are learned for
                it.
            source: Name of the source of the outcomes, e.g. a judge.
            amend: Whether to replace outcomes reported before.
            **more: More outcomes.

        Raises:
            InvalidDecisionIdError: for an id that this router never issued.
            InvalidOutcomeError: for invalid values; then no value is learned.
            UnknownArmError: if ``served_arm`` is unknown.
            DecisionExpiredError: if the store deleted the decision because of its age.
            FeedbackConflictError: if other values were reported before and ``amend`` is false. If another
                process has just reported them, the receipt raises this error.
        """
        reported = more if outcomes is None else merged(outcomes, more)
        return self._feedback.report(decision_id, reported, served_arm=served_arm, source=source, amend=amend)

    # -------------------------------------------------------------------------------------------------- closing

    def flush(self) -> None:
        """Wait until all records so far are on stable storage.

        Raises:
            StoreUnavailableError: if a record since the opening could not be stored, and is lost.
            RouterClosedError: if the router was closed, which made all records durable.
        """
        self._engine.require_open()
        self._log.outbox.flush()

    def sync(self) -> None:
        """Make all records durable and read those of other workers, which also happens several times a second.

        Raises:
            StoreError: if the store cannot be read.
        """
        self.flush()
        self._feedback.follower.follow()

    def close(self) -> None:
        """Make all records durable and close the store; calling it again does nothing.

        Afterwards all methods that decide, learn, change or read the log raise RouterClosedError.
        """
        with self._engine.lock:
            if self._engine.is_closed:
                return
            self._engine.is_closed = True
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
