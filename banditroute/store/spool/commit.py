"""Commits records to a local spool while the database is unavailable, and replays them when it is back."""

import logging
import math
import random
import sys
import threading
import time
from collections.abc import Callable, Collection, Sequence
from typing import Literal, TypeAlias

from banditroute.core.log import DecisionRecord, LogRecord, SnapshotRecord
from banditroute.errors import (
    BanditRouteError,
    RouterMismatchError,
    SchemaVersionError,
    SpoolCorruptError,
    StoreUnavailableError,
)
from banditroute.store.semantics.results import Commit, WriteResult, WriteResults
from banditroute.store.spool.codec import decoded, encoded
from banditroute.store.spool.directory import Spools
from banditroute.store.spool.file import Spool

SpoolState: TypeAlias = Literal["healthy", "spooling", "replaying"]

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0
"""The pause before the next try, doubled after each that fails [s]."""

REPLAY_RECORDS = 500
REPLAY_S = 0.25
"""How long one tick may replay; appends wait in the meantime [s]."""

LOOK_S = 10.0
"""How often to look for spools whose processes exited [s]."""

RETRYABLE = (StoreUnavailableError, SchemaVersionError, RouterMismatchError)
"""Errors of the database, not of the record: the same record can be stored later."""

_random = random.SystemRandom()
_log = logging.getLogger("banditroute")


class SpoolingCommit:
    """Commits to ``inner`` or, while the database is unavailable, to a spool on local disk that is replayed later.

    * *healthy*: groups go to ``inner``. The first group that finds it unavailable goes to the spool instead.
    * *spooling*: groups are appended to the spool, so that order is kept; their result is ``"buffered"``.
      :meth:`tick` tries the oldest records on ``inner``, after a pause that grows with each failure.
    * *replaying*: ``inner`` stored some records; new groups are still appended to the spool until it is empty.

    ``inner`` may get a record twice (the connection broke during a commit, or the process died during a replay),
    so it must return ``"duplicate"`` for records that it has. A waiting record that contradicts the log is moved
    to a separate file, so that it blocks no other record and no acknowledged record is deleted. Spools of exited
    processes are replayed in the same way. Snapshots are not spooled, because they only save time.

    Calls from several threads run one at a time: a store that is being opened replays the spools of crashed
    workers while its writer already ticks, and both would otherwise drop the same records. Any thread may read
    the attributes.

    Args:
        inner: Stores a group or raises; raises StoreUnavailableError before the first connection too. Called
            without records, it only checks that the database can be reached.
        spools: Opens this process's spool, and the spools of exited processes.
        clock: Monotonic [s].
        jitter: Returns a number in [0, 1) that spreads the attempts of many processes.

    Attributes:
        state: ``"healthy"``, ``"spooling"`` or ``"replaying"``.
        since: When that state began, by ``clock``.
        last_error: Why the last attempt failed, or the last record was refused; contains no value of a record.
        dropped: Number of records that neither the database nor the spool could store.
        set_aside: Number of acknowledged records that contradicted the log.
    """

    def __init__(
        self,
        inner: Commit,
        spools: Spools,
        *,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = _random.random,
    ) -> None:
        self._inner = inner
        self._spools = spools
        self._clock = clock
        self._jitter = jitter
        self._own: Spool | None = None
        self._refused: Spool | None = None
        self._adopted: Spool | None = None
        self._lock = threading.RLock()
        self._failures = 0
        self._next_try = self._next_look = -math.inf
        self.state: SpoolState = "healthy"
        self.since = clock()
        self.last_error = ""
        self.dropped = 0
        self.set_aside = 0

    @property
    def spool_bytes(self) -> int:
        """Disk space that waiting records take [bytes]."""
        return sum(spool.size for spool in (self._own, self._adopted) if spool is not None)

    @property
    def waiting(self) -> int:
        """Number of records that wait for the database."""
        return sum(spool.waiting for spool in (self._own, self._adopted) if spool is not None)

    def __call__(self, records: Sequence[LogRecord]) -> WriteResults:
        """Make records durable, in the database or in the spool.

        A record that neither of them can store gets an error as its result; if the spool is nearly full, decisions
        are dropped before all other records.

        Raises:
            StoreError: for a record that cannot be stored or, if ``inner`` was asked, contradicts the log; then
                none of them was stored. After any other error of ``inner`` the records wait in the spool.
        """
        with self._lock:
            if self.state == "healthy":
                started = self._clock()
                try:
                    results = self._inner(records)
                except RETRYABLE as error:
                    self._fail(error, started)
                except BanditRouteError:
                    raise
                except Exception as error:  # noqa: BLE001  (nothing shows that it is the fault of a record)
                    self._fail(error, started)
                else:
                    self._failures = 0
                    return results
            return self._keep(records)

    def tick(self) -> None:
        """Replay some waiting records if the next attempt is due; call it several times a second."""
        with self._lock:
            if self._clock() >= self._next_try:
                self.replay(seconds=REPLAY_S)

    def start_spooling(self, error: StoreUnavailableError) -> None:
        """Spool from now on: the caller found the database unavailable."""
        with self._lock:
            self._fail(error, self._clock())

    def replay(self, *, seconds: float = math.inf) -> bool:
        """Replay, for about ``seconds``, the records in this process's spool and in those of exited processes.

        Returns:
            Whether no record waits any more.
        """
        with self._lock:
            return self._replay(seconds)

    def close(self) -> None:
        """Replay once more, then close the files; the next process that opens the router replays the rest."""
        with self._lock:
            if self.waiting:
                self.replay(seconds=REPLAY_S)
            for spool in (self._own, self._adopted, self._refused):
                if spool is not None:
                    spool.close()

    def abandon(self) -> None:
        """In a forked child: close the parent's files without changing them."""
        # Without the lock: a thread that held it at the time of the fork does not exist in the child.
        for spool in (self._own, self._adopted, self._refused):
            if spool is not None:
                spool.abandon()

    def _replay(self, seconds: float) -> bool:
        started = self._clock()
        try:
            if self.state == "spooling" and (self._own is None or not self._own.waiting):
                self._inner(())
            if self._own is not None and not self._drain(self._own, started + seconds):
                return False
            self._enter("healthy")
            while (orphan := self._orphan()) is not None:
                if not self._drain(orphan, started + seconds):
                    return False
                orphan.close()
                self._adopted = None
        except RETRYABLE as error:
            self._fail(error, started)
            return False
        return True

    def _keep(self, records: Sequence[LogRecord]) -> WriteResults:
        payloads = {
            index: encoded(record)
            for index, record in enumerate(records)
            if not isinstance(record, SnapshotRecord)
        }
        results: dict[int, WriteResult] = dict.fromkeys(range(len(records)), "buffered")
        refusal = self._spool(payloads.values())
        if refusal is not None:
            decisions = {index for index in payloads if isinstance(records[index], DecisionRecord)}
            rest = [payload for index, payload in payloads.items() if index not in decisions]
            lost = payloads.keys() if self._spool(rest) else decisions
            results.update(dict.fromkeys(lost, refusal))
            self.dropped += len(lost)
            self.last_error = _sentence(refusal)
        return results

    def _spool(self, payloads: Collection[bytes]) -> StoreUnavailableError | None:
        """Append to the spool of this process; return the error if that failed."""
        if payloads:
            try:
                if self._own is None:
                    self._own = self._spools.new()
                self._own.append(list(payloads))
                if not self._own.is_at_path:
                    self._own = self._copied(self._own)
            except StoreUnavailableError as refusal:
                return refusal
        return None

    def _copied(self, spool: Spool) -> Spool:
        """Copy the waiting records of a spool whose file was deleted or moved into a new one."""
        copy = self._spools.new()
        copy.append(spool.peek(spool.waiting, size=sys.maxsize))
        spool.abandon()
        _log.error("spool %r was deleted or moved while it was open; its records were copied", spool.path.name)
        return copy

    def _orphan(self) -> Spool | None:
        """Return the spool of an exited process to replay, or None; look for a new one when that is due."""
        if self._adopted is None and self._clock() >= self._next_look:
            self._adopted = next(self._spools.orphans(), None)
            if self._adopted is None:
                self._next_look = self._clock() + LOOK_S
        return self._adopted

    def _drain(self, spool: Spool, until: float) -> bool:
        """Replay a spool to its end, or until a time; return whether the end was reached."""
        while spool.waiting:
            if self._clock() >= until:
                return False
            try:
                payloads = spool.peek(REPLAY_RECORDS)
            except SpoolCorruptError as error:
                self._set_aside_damaged(spool, error)
                return True
            before = self.set_aside
            self._replay_group(spool, payloads)
            if self.set_aside > before:
                _log.error("%d records were set aside so far; the last error: %s", self.set_aside, self.last_error)
            if self.state == "spooling":
                self._enter("replaying")
        return True

    def _replay_group(self, spool: Spool, payloads: Sequence[bytes]) -> None:
        """Commit the first payloads of a spool; halve a group that fails until only the bad record is refused."""
        try:
            results = self._inner([decoded(payload) for payload in payloads])
        except RETRYABLE:
            raise
        except Exception as error:  # noqa: BLE001  (no error of one record may block the records behind it)
            if len(payloads) > 1:
                half = len(payloads) // 2
                self._replay_group(spool, payloads[:half])
                self._replay_group(spool, payloads[half:])
                return
            results = {0: error}
        self._failures = 0
        for index, result in results.items():
            if isinstance(result, Exception):
                self._set_aside(payloads[index], result)
        spool.drop(payloads)

    def _set_aside(self, payload: bytes, error: Exception) -> None:
        if self._refused is None:
            self._refused = self._spools.new(refused=True)
        self._refused.append([payload])
        self.set_aside += 1
        self.last_error = _sentence(error)

    def _set_aside_damaged(self, spool: Spool, error: SpoolCorruptError) -> None:
        _log.error("%d waiting records are set aside: %s", spool.waiting, error)
        self.set_aside += spool.waiting
        self.last_error = _sentence(error)
        spool.set_aside()
        if spool is self._own:
            self._own = None

    def _fail(self, error: Exception, started: float) -> None:
        self.last_error = _sentence(error)
        now = self._clock()
        pause = min(FIRST_PAUSE * 2.0 ** min(self._failures, 16), LONGEST_PAUSE)
        # If the attempt hung, wait as long again, so that the thread has time to spool.
        self._next_try = now + pause * (0.5 + 0.5 * self._jitter()) + (now - started)
        self._failures += 1
        self._enter("spooling")

    def _enter(self, state: SpoolState) -> None:
        if state != self.state:
            self.state, self.since = state, self._clock()
            if state == "spooling":
                _log.warning("the database is unavailable; records wait in the local spool: %s", self.last_error)
            elif state == "healthy":
                _log.warning("the database is available again, and the spool is empty")


def _sentence(error: Exception) -> str:
    """Describe an error without values of a record, which messages of other libraries may contain."""
    ours = isinstance(error, BanditRouteError)
    return f"{type(error).__name__}: {error}" if ours else type(error).__name__
