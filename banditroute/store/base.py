"""The store protocol: what each method promises, to one worker or to many on one log."""

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


Fold: TypeAlias = Callable[[Mapping[StateKey, bytes], Sequence[FeedbackRecord]], Mapping[StateKey, bytes]]
"""Adds feedback to encoded sums: (the blobs of the touched keys that exist, rows) → their new blobs.

Pure, exact and handed in by the router, so that the store moves the state in the transaction that appends the
log without knowing what the bytes mean.
"""


Resolve: TypeAlias = Callable[[DecisionRecord, Sequence[FeedbackRecord], ReportRecord], Sequence[FeedbackRecord]]
"""Says what a report means: (its decision, the feedback on it so far, the report) → the feedback to be learned.

Handed in by the router, as the fold is. Of each group the highest revision comes last in the feedback so far. It
returns nothing for what is known already, and raises a BanditRouteError for a report that is refused.
"""


class Store(Protocol):
    """Where one router's log lives.

    The log is the truth, the state is a fold of it, and a snapshot only saves time: deleting every snapshot
    changes nothing. A store is opened once, for one router; any thread may then append, read or close.

    An open store is one *worker*, and many workers may share one log. Each appends in its own order; the *fold*
    then numbers what all of them appended, without gaps, in one order for everybody, the *journal*. A feedback
    comes after its decision there, and after its own earlier revisions. The numbers in a record that is appended
    are the worker's own count; those in a record that is read are the journal's, and 0 where it is not in the
    journal yet. A worker that is alone counts as the journal does.
    """

    @property
    def is_local(self) -> bool:
        """Whether a lookup is fast enough to make while serving a request."""
        ...

    @property
    def is_shared(self) -> bool:
        """Whether other workers may write to the same log."""
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
        """Create the router as given, or return what is stored of it.

        What is stored wins: ``arms``, ``preferences`` and ``secret`` only seed a new router. The stored shape
        (objectives, dimension, intercept, x_max) must equal the given one, where ``dimension=None`` fits any.

        Raises:
            RouterMismatchError: when it does not.
            SchemaVersionError: when the schema is older or newer than this library's.
            StoreUnavailableError: when the database cannot be reached.
        """
        ...

    def append(self, records: Sequence[LogRecord]) -> "Future[ReceiptStatus]":
        """Queue records, in order, all or none in one transaction; the future is done when they are durable.

        Never blocks on the database and never raises for its sake: the future carries the error, and cannot be
        cancelled. Records of earlier calls are durable before those of later ones.

        What other workers stored is respected. A decision that is there already is passed over. Feedback whose
        values are there already is a ``"duplicate"``; an amendment becomes the revision that is next, whatever
        the worker thought; feedback on a decision that is not there is ``"pending"``, and learned when it comes.
        A retired arm stays retired, and preferences get the version that is next.

        The future raises:
            FeedbackConflictError: for first values where others are stored, or the report of a decision for which
                many others wait; they are left out.
            StoreError: for records that contradict the log, or that no router of this shape could have made:
                features or values of another number or beyond their bounds, text with NUL or a lone surrogate.
                Those of other calls are not touched by it.
            StoreUnavailableError: when the database cannot take them now, or the store is not open.
        """
        ...

    def flush(self) -> None:
        """Wait until what this worker appended is settled and, if the database is there, in the journal."""
        ...

    def end(self) -> Position:
        """Where the journal ends now; both numbers of one moment."""
        ...

    def events(
        self, after: Position = START, up_to: Position | None = None, *, others: bool = False
    ) -> Iterator[DecisionRecord | FeedbackRecord]:
        """Read the journal behind ``after``, as far as ``up_to``; by default to where it ends at the call.

        Feedback comes in the order of its number, decisions in that of theirs, and a decision that knew of L
        feedbacks after feedback L and before L + 1. ``others`` leaves out what this worker appended itself.
        Of what was compacted only remains are left, so it is read from a snapshot on. A stored row that is garbage
        has its place and says nothing: a decision without arms, or a feedback without group.
        Waits for nothing that is on its way. The arrays are not to be written to.
        """
        ...

    def changed(self, revision: int) -> StoredRouter | None:
        """Return the stored settings, without a snapshot, if any of them changed since then.

        ``revision`` is that of the :class:`~banditroute.core.spec.StoredRouter` that was seen last.
        """
        ...

    def decision(self, body: bytes) -> tuple[DecisionRecord, tuple[FeedbackRecord, ...]] | None:
        """One decision with all its feedback, or None; waits for what this worker appended before the call.

        Feedback comes in the order of the journal, then what is not in it yet; revisions of a group in theirs.
        """
        ...

    def decisions_missing_outcome(self, group: str, *, since_us: int) -> Sequence[tuple[int, bytes]]:
        """When [us] and which: decisions since then of which nothing was learned in this group, oldest first."""
        ...

    def decisions_with_source(self, source: str) -> Sequence[bytes]:
        """Bodies of the decisions on which this source gave feedback."""
        ...

    def erase(self, bodies: Sequence[bytes]) -> None:
        """Blank features, expectations and outcomes of decisions whose feedback was taken back before.

        Also drops the snapshots, since none from in between goes on to what the log now says.

        Raises:
            StoreError: if that failed, or a decision is from before the end of what was compacted; then nothing
                was erased.
        """
        ...

    def health(self) -> StoreHealth:
        """How the store does; never raises for the database's sake."""
        ...

    def close(self) -> None:
        """Make everything durable and let go of the database; calling it again does nothing."""
        ...
