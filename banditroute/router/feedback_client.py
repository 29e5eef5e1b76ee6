"""FeedbackClient: reports outcomes from a process that makes no decisions."""

import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from types import TracebackType

from banditroute.core.health import StoreHealth
from banditroute.core.ids import check_secrets, new_secret
from banditroute.core.log import DecisionRecord, FeedbackRecord, PreferencesRecord, ReportRecord
from banditroute.core.objectives import Objectives
from banditroute.core.outcomes import merged
from banditroute.core.receipt import Receipt
from banditroute.core.shown import shown
from banditroute.core.spec import RouterSpec, StoredRouter
from banditroute.core.validation import as_path, require_callable
from banditroute.errors import InvalidArgumentError, RouterClosedError, StoreUnavailableError, UnknownArmError
from banditroute.router.decision_keys import NEVER_READ, DecisionKeys
from banditroute.router.log_check import fold_of
from banditroute.router.outbox import Outbox
from banditroute.router.resolution import FeedbackResolver, checked_report
from banditroute.router.state.arms import ArmCatalogue
from banditroute.router.state.sources import SourceCaps
from banditroute.store import CLOSED, ReportWaitsError, Store, open_store


class FeedbackClient:
    """Reports outcomes to a router of another process, such as a nightly evaluation or a webhook.

    It needs no arms, no policy and no model: the router's shape is read from its store. A report is learned when
    its receipt is done, and the workers of the router read it within a second. A report of a source that has a cap
    (``source_caps``) waits in the database until a worker of the router writes its next record, because only a
    worker knows how much of each source was learned.

    Args:
        store: The database URL of the router.
        router: Name of the router; it must be stored.
        tenant: Owner of the router.
        spool: A directory on local disk that holds reports while the database is unavailable, as for
            :class:`~banditroute.Router`; two processes may share it.
        secret: The router's secret, if it was given to the router instead of being stored.
        clock: Returns the time [s since the epoch].

    Raises:
        InvalidArgumentError: if the database has no router of that name, or for a setting that breaks its rule.
        StoreError: if the store cannot be opened; a client cannot start while the database is unavailable.

    Example::

        with FeedbackClient("sqlite:///routing.db", router="support") as client:
            client.feedback(decision_id, quality=0.9, source="judge").wait()
    """

    def __init__(
        self,
        store: str,
        router: str,
        *,
        tenant: str = "",
        spool: str | PathLike[str] | None = None,
        secret: bytes | Sequence[bytes] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        # Imported here, so that an application without a database does not load SQLAlchemy.
        from banditroute.store.maintenance.views import stored_spec

        if not isinstance(store, str):
            raise InvalidArgumentError(f"store must be a database URL, got {shown(store, 80)}")
        require_callable("clock", clock)
        secrets = None if secret is None else check_secrets(secret)
        spec = stored_spec(store, router, tenant=tenant)
        objectives = Objectives(spec.objectives)
        self._clock = clock
        self._store = open_store(store, spool=None if spool is None else as_path("spool", spool))
        self._resolver = _StoredResolver.of(spec, self._store)
        stored = self._store.open(
            spec,
            (),
            # Stored only if the router is new, which it is not.
            PreferencesRecord(1, objectives.plain({objectives.names[0]: 1.0}), self._now_us()),
            secret=new_secret(),
            fold=fold_of(spec),
            resolve=self._resolver,
        )
        self._resolver.adopt(stored)
        self._keys = DecisionKeys(self._store, stored, secrets)
        self._outbox = Outbox(self._store)
        self._name = spec.name
        self._is_closed = False

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
        """Report outcomes of a decision; for arguments and errors see :meth:`banditroute.Router.feedback`.

        Errors that need the decision, such as FeedbackConflictError, are raised by ``wait()`` of the receipt.
        """
        self._require_open()
        key = self._keys.key(decision_id)
        reported = more if outcomes is None else merged(outcomes, more)
        report = checked_report(
            key, reported, served_arm=served_arm, source=source, amend=amend, now_us=self._now_us()
        )
        self._resolver.check(report)
        self._outbox.pace()
        return Receipt(decision_id, "recorded", self._outbox.put([report]))

    def health(self) -> StoreHealth:
        """Return the health of the store; queries the database."""
        self._require_open()
        return self._store.health()

    def flush(self) -> None:
        """Wait until all reports so far are on stable storage.

        Raises:
            StoreUnavailableError: if a report since the opening could not be stored, and is lost.
            RouterClosedError: if the client was closed, which made all reports durable.
        """
        self._require_open()
        self._outbox.flush()

    def close(self) -> None:
        """Make all reports durable and close the store; calling it again does nothing."""
        self._is_closed = True
        self._store.close()

    def _require_open(self) -> None:
        if self._is_closed:
            raise RouterClosedError(f"the feedback client of router {self._name!r} is closed; open another one")

    def _now_us(self) -> int:
        return int(self._clock() * 1e6)

    def __repr__(self) -> str:
        return f"<FeedbackClient of router {self._name!r}>"

    def __enter__(self) -> "FeedbackClient":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(slots=True, eq=False)
class _StoredResolver:
    """Resolves reports by the stored settings of a router, which it reads again when they change.

    Attributes:
        resolver: Turns a report into feedback records.
        capped: Sources that have a cap.
        store: Where the settings are. Weak: the store refers to this object, and is closed when it is collected.
        revision: Revision of the settings that were read last.
    """

    resolver: FeedbackResolver
    capped: frozenset[str]
    store: "weakref.ref[Store]"
    revision: int = field(default=NEVER_READ)

    @classmethod
    def of(cls, spec: RouterSpec, store: Store) -> "_StoredResolver":
        resolver = FeedbackResolver(Objectives(spec.objectives), ArmCatalogue(), SourceCaps({}), threading.RLock())
        resolver.ready.set()
        return cls(resolver, frozenset(spec.source_caps), weakref.ref(store))

    def __call__(
        self, decision: DecisionRecord, feedback: Sequence[FeedbackRecord], report: ReportRecord
    ) -> Sequence[FeedbackRecord]:
        """Resolve a report with the arms and prices of now; raises as :data:`~banditroute.store.Resolve` does."""
        self.refresh()
        if report.source in self.capped:
            raise ReportWaitsError
        return self.resolver.resolve_stored(decision, feedback, report)

    def check(self, report: ReportRecord) -> None:
        """Check a report without its decision; ``served_arm`` may be newer than the settings read last."""
        try:
            self.resolver.check(report)
        except UnknownArmError:
            self.refresh()
            self.resolver.check(report)

    def refresh(self) -> None:
        """Read the settings if they changed."""
        store = self.store()
        if store is None:
            return
        try:
            stored = store.changed(self.revision)
        except StoreUnavailableError as error:
            # A store that is being closed commits its last reports by the settings read before.
            if error.code != CLOSED or self.revision == NEVER_READ:
                raise
            return
        if stored is not None:
            self.adopt(stored)

    def adopt(self, stored: StoredRouter) -> None:
        """Use these settings from now on."""
        with self.resolver.lock:
            self.resolver.arms.adopt(stored)
            self.capped = frozenset(stored.spec.source_caps)
            self.revision = stored.revision
