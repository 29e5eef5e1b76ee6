"""The store protocol: the contract of each method, for one worker or for many workers on one log."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import Protocol, TypeAlias

from banditroute.core.health import StoreHealth
from banditroute.core.log import (
    ArmRecord,
    DecisionRecord,
    FeedbackRecord,
    LogRecord,
    Position,
    PreferencesRecord,
    ReportRecord,
    StateKey,
)
from banditroute.core.receipt import ReceiptStatus
from banditroute.core.spec import RouterSpec, StoredRouter

START = Position()

CLOSED = "store.closed"
"""Code of the StoreUnavailableError of a store that is not open."""


Fold: TypeAlias = Callable[[Mapping[StateKey, bytes], Sequence[FeedbackRecord]], Mapping[StateKey, bytes]]
"""Adds feedback to encoded sums: (existing blobs of the affected keys, rows) → their new blobs.

Pure and exact. The router passes it in, so that the store can update the state in the transaction that appends
to the log, without knowing what the bytes mean.
"""


Resolve: TypeAlias = Callable[[DecisionRecord, Sequence[FeedbackRecord], ReportRecord], Sequence[FeedbackRecord]]
"""Turns a report into feedback: (its decision, the feedback on it so far, the report) → the feedback to learn.

The router passes it in, as it does the fold. In the feedback so far, the highest revision of each group comes
last. Returns nothing for a duplicate; raises a BanditRouteError for a report that is refused, or ReportWaitsError.
"""


class ReportWaitsError(Exception):
    """Raised by :data:`Resolve` for a report that another worker must resolve; the store keeps it until then."""


class Store(Protocol):
    """Stores the log of one router.

    The log is the source of truth, the state is a fold of it, and a snapshot only saves time: deleting every
    snapshot changes no result. A store is opened once, for one router; any thread may then append, read or close.

    An open store is one *worker*, and many workers may share one log. Each worker appends in its own order; the
    *fold* then numbers the rows of all workers, without gaps, in one order that is the same for every reader:
    the *journal*. In the journal, a feedback comes after its decision and after its own earlier revisions. An
    appended record carries the worker's own sequence number; a record that is read carries the number in the
    journal, or 0 where it is not in the journal yet. For a worker without peers the two are the same.
    """

    @property
    def is_local(self) -> bool:
        """Whether a lookup is fast enough to make while serving a request."""
        ...

    @property
    def is_shared(self) -> bool:
        """Whether other workers may write to the same log."""
        ...

    @property
    def backlog(self) -> int:
        """Number of appends that wait for a writer thread; 0 for a store that has none."""
        ...

    def open(
        self,
        spec: RouterSpec,
        arms: Sequence[ArmRecord],
        preferences: PreferencesRecord,
        *,
        secret: bytes,
        fold: Fold,
        resolve: Resolve,
    ) -> StoredRouter:
        """Create the router as given, or return the stored one.

        Stored values take precedence: ``arms``, ``preferences`` and ``secret`` only initialise a new router. The
        stored shape (objectives, dimension, intercept, x_max) must equal the given one; ``dimension=None``
        matches any.

        Raises:
            RouterMismatchError: when the shapes differ.
            SchemaVersionError: when the database schema is older or newer than this library's.
            StoreUnavailableError: when the database cannot be reached.
        """
        ...

    def append(self, records: Sequence[LogRecord]) -> "Future[ReceiptStatus]":
        """Queue records, in order, all or none in one transaction; the future is done when they are durable.

        Never blocks on the database, and never raises because of it: the future carries the error, and cannot
        be cancelled. Records of earlier calls become durable before those of later calls.

        Records are merged with those of other workers. A decision that is already stored is skipped. Feedback
        with the stored values is a ``"duplicate"``; an amendment becomes the next revision, whatever revision
        number the worker gave it; feedback on a decision that is not stored is ``"pending"``, and is learned when
        the decision arrives. A retired arm stays retired, and preferences get the next version number.

        The future raises:
            FeedbackConflictError: for first values where other values are stored, or for a report of a decision
                for which too many reports wait already; the record is not stored.
            StoreError: for records that contradict the log, or that no router of this shape could have produced:
                a wrong number of features or values, one beyond its bounds, text with NUL or a lone surrogate.
                Records of other calls are not affected.
            StoreUnavailableError: when the database cannot store them now, or the store is not open.
        """
        ...

    def flush(self) -> None:
        """Wait until this worker's records are durable or refused and, if the database is up, in the journal."""
        ...

    def end(self) -> Position:
        """Return where the journal ends now; both numbers are read at one moment."""
        ...

    def events(
        self, after: Position = START, up_to: Position | None = None, *, others: bool = False
    ) -> Iterator[DecisionRecord | FeedbackRecord]:
        """Read the journal after ``after``, up to ``up_to``; by default to its end at the time of the call.

        Feedback is ordered by its number, decisions by theirs, and a decision that was made after L feedbacks
        comes between feedback L and L + 1. ``others`` leaves out the records that this worker appended itself.
        A compacted log is incomplete before its horizon, so it must be read from a snapshot on. A corrupted row
        keeps its position and has no content: it is read as a decision without arms, or feedback without group.
        Does not wait for records that are still queued. The arrays must not be modified.
        """
        ...

    def changed(self, revision: int) -> StoredRouter | None:
        """Return the stored router without snapshot if arms, prices, preferences or dimension changed, else None.

        ``revision`` is that of the :class:`~banditroute.core.spec.StoredRouter` that the caller read last.
        """
        ...

    def decision(self, body: bytes) -> tuple[DecisionRecord, tuple[FeedbackRecord, ...]] | None:
        """Return a decision with all its feedback, or None; first waits for this worker's earlier appends.

        Feedback is in journal order, followed by feedback that is not in the journal yet; the revisions of a
        group are in their order.
        """
        ...

    def decisions_missing_outcome(self, group: str, *, since_us: int) -> Sequence[tuple[int, bytes]]:
        """Return (time [us], key) of decisions since then that lack learned feedback in a group, oldest first."""
        ...

    def decisions_with_source(self, source: str) -> Sequence[bytes]:
        """Return the keys of the decisions on which this source gave feedback."""
        ...

    def erase(self, bodies: Sequence[bytes]) -> None:
        """Blank features, expectations and outcomes of decisions whose feedback was retracted before.

        Also drops the snapshots, because a snapshot taken before the erasure does not match the new log.

        Raises:
            StoreError: if that failed, or if a decision is older than the compaction horizon; then nothing was
                erased.
        """
        ...

    def health(self) -> StoreHealth:
        """Return the health of the store; never raises because of the database."""
        ...

    def close(self) -> None:
        """Make everything durable and release the database; calling it again does nothing."""
        ...
