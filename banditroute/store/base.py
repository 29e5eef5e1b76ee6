"""The store protocol: five methods, and what each promises."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import Protocol, TypeAlias

from banditroute.records import (
    ArmRecord,
    DecisionRecord,
    FeedbackRecord,
    LogRecord,
    Position,
    PreferencesRecord,
    RouterSpec,
    StateKey,
    StoredRouter,
)

START = Position()


Fold: TypeAlias = Callable[[Mapping[StateKey, bytes], Sequence[FeedbackRecord]], Mapping[StateKey, bytes]]
"""Adds feedback to encoded sums: (the blobs of the touched keys that exist, rows) → their new blobs.

Pure, exact and handed in by the router, so that the store moves the state in the transaction that appends the
log without knowing what the bytes mean.
"""


class Store(Protocol):
    """Where one router's log lives.

    The log is the truth, the state is a fold of it, and a snapshot only saves time: deleting every snapshot
    changes nothing. A store is opened once, for one router; any thread may then append, read or close.
    """

    def open(
        self,
        spec: RouterSpec,
        arms: Sequence[ArmRecord],
        preferences: PreferencesRecord,
        *,
        secret: bytes,
        fold: Fold,
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

    def append(self, records: Sequence[LogRecord]) -> "Future[None]":
        """Queue records, in order, all or none in one transaction; the future is done when they are durable.

        Never blocks on the database and never raises for its sake: the future carries the error, and cannot be
        cancelled. Records of earlier calls are durable before those of later ones. A feedback's sums move in the
        transaction that appends it, and its number must follow the last one.

        The future raises:
            StoreError: for records that contradict the log; those of other calls are not touched by it. A store
                that checks nothing may take them.
            StoreUnavailableError: when the database cannot take them now, or the store is not open.
        """
        ...

    def events(self, after: Position = START) -> Iterator[DecisionRecord | FeedbackRecord]:
        """Replay the log behind ``after`` in the order in which it was lived.

        Feedback comes in the order of its number, decisions in that of theirs, and a decision that knew of L
        feedbacks after feedback L and before L + 1. Waits for what was appended before the call; what comes
        later is left out. The arrays are not to be written to.
        """
        ...

    def decision(self, body: bytes) -> tuple[DecisionRecord, tuple[FeedbackRecord, ...]] | None:
        """One decision with its feedback in order, or None; waits for what was appended before the call."""
        ...

    def close(self) -> None:
        """Make everything durable and let go of the database; calling it again does nothing."""
        ...
