"""A commit that spools records while the database is unavailable, and replays them afterwards."""

import logging
import math
import random
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
"""How long one tick may replay, so that those who append meanwhile are not kept waiting [s]."""

LOOK_S = 10.0
"""How often to look for spools whose processes died [s]."""

# What is wrong is the database, not the record: the same record may be taken later.
_NOT_NOW = (StoreUnavailableError, SchemaVersionError, RouterMismatchError)

_random = random.SystemRandom()
_log = logging.getLogger("banditroute")


class SpoolingCommit:
    """Commits to ``inner``; while that cannot, to a spool on local disk, which is replayed as soon as it can.

    * *healthy*: groups go to ``inner``. The first one that finds it unavailable goes to the spool instead.
    * *spooling*: groups go to the spool, behind those that wait, so that order is kept; their result is
      ``"buffered"``. :meth:`tick` tries the oldest ones on ``inner``, after a pause that grows.
    * *replaying*: one was taken; groups still queue up behind the rest, until none waits.

    ``inner`` may see a record twice (the connection broke during a commit, the process died during a replay), so
    it must answer ``"duplicate"`` for what it has. A waiting record that contradicts the log is set aside in a
    file of its own: it blocks nothing, and nothing acknowledged is deleted. Spools of processes that died are
    replayed in the same way. A snapshot is not spooled, since it only saves time.

    Any thread may call, and one at a time gets in: a store that is being opened replays what the dead left while
    its writer already ticks, and what both handed on would be dropped twice. Any may read the attributes.

    Args:
        inner: Stores a group or raises; a database that was never reached is one that is unavailable. Without any
            records it only tries whether the database is there.
        spools: Where the spool is, and those of dead processes are.
        clock: Monotonic [s].
        jitter: A number in [0, 1) that spreads the tries of many processes.

    Attributes:
        state: ``"healthy"``, ``"spooling"`` or ``"replaying"``.
        since: When that began, by ``clock``.
        last_error: Why the last try failed, or the last record was refused; without any value of a record.
        dropped: How many records neither the database nor the spool could take.
        set_aside: How many acknowledged records contradicted the log.
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
        self._alone = threading.RLock()
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
        """How many records wait for the database."""
        return sum(spool.waiting for spool in (self._own, self._adopted) if spool is not None)

    def __call__(self, records: Sequence[LogRecord]) -> WriteResults:
        """Make records durable, in the database or in the spool.

        What neither of them has room for gets an error for its result; decisions give way to everything else.

        Raises:
            StoreError: for a record that cannot be stored or, if ``inner`` was asked, contradicts the log; then
                none of them was stored.
        """
        with self._alone:
            if self.state == "healthy":
                started = self._clock()
                try:
                    results = self._inner(records)
                except _NOT_NOW as error:
                    self._fail(error, started)
                else:
                    self._failures = 0
                    return results
            return self._keep(records)

    def tick(self) -> None:
        """Replay some of what waits, if it is time to try; to be called several times a second."""
        with self._alone:
            if self._clock() >= self._next_try:
                self.replay(seconds=REPLAY_S)

    def leave_alone(self, error: StoreUnavailableError) -> None:
        """Spool from now on: somebody else found the database unavailable."""
        with self._alone:
            self._fail(error, self._clock())

    def replay(self, *, seconds: float = math.inf) -> bool:
        """Try at once, for about ``seconds``, to replay what waits here and in spools of the dead.

        Returns:
            Whether nothing waits any more.
        """
        with self._alone:
            return self._replay(seconds)

    def close(self) -> None:
        """Try once more, then let go of the files; what still waits is for the next who opens the router."""
        with self._alone:
            if self.waiting:
                self.replay(seconds=REPLAY_S)
            for spool in (self._own, self._adopted, self._refused):
                if spool is not None:
                    spool.close()

    def abandon(self) -> None:
        """In a forked child: let go of the parent's files without touching them."""
        # Not alone: who was inside when the process was forked never leaves in the child.
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
        except _NOT_NOW as error:
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
        """Append to the spool of this process; why not, if not."""
        if payloads:
            try:
                if self._own is None:
                    self._own = self._spools.new()
                self._own.append(list(payloads))
            except StoreUnavailableError as refusal:
                return refusal
        return None

    def _orphan(self) -> Spool | None:
        """The spool of a dead process that is being replayed, or another one, if it is time to look."""
        if self._adopted is None and self._clock() >= self._next_look:
            self._adopted = next(self._spools.orphans(), None)
            if self._adopted is None:
                self._next_look = self._clock() + LOOK_S
        return self._adopted

    def _drain(self, spool: Spool, until: float) -> bool:
        """Replay a spool to its end, or until a moment; whether the end was reached."""
        while spool.waiting:
            if self._clock() >= until:
                return False
            try:
                payloads = spool.peek(REPLAY_RECORDS)
            except SpoolCorruptError as error:
                self._lose(spool, error)
                return True
            before = self.set_aside
            self._hand_on(spool, payloads)
            if self.set_aside > before:
                _log.error("%d records were set aside so far; the last: %s", self.set_aside, self.last_error)
            if self.state == "spooling":
                self._enter("replaying")
        return True

    def _hand_on(self, spool: Spool, payloads: Sequence[bytes]) -> None:
        """Give the first payloads of a spool to ``inner``; halve the group until only the culprit is refused."""
        try:
            results = self._inner([decoded(payload) for payload in payloads])
        except _NOT_NOW:
            raise
        except Exception as error:  # noqa: BLE001  (whatever it is, the records behind it must not wait without end)
            if len(payloads) > 1:
                half = len(payloads) // 2
                self._hand_on(spool, payloads[:half])
                self._hand_on(spool, payloads[half:])
                return
            results = {0: error}
        self._failures = 0
        for index, result in results.items():
            if isinstance(result, Exception):
                self._put_aside(payloads[index], result)
        spool.drop(payloads)

    def _put_aside(self, payload: bytes, error: Exception) -> None:
        if self._refused is None:
            self._refused = self._spools.new(refused=True)
        self._refused.append([payload])
        self.set_aside += 1
        self.last_error = _sentence(error)

    def _lose(self, spool: Spool, error: SpoolCorruptError) -> None:
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
        # A database that hangs is left alone for as long as it hung, so that the thread has time for the spool.
        self._next_try = now + pause * (0.5 + 0.5 * self._jitter()) + (now - started)
        self._failures += 1
        self._enter("spooling")

    def _enter(self, state: SpoolState) -> None:
        if state != self.state:
            self.state, self.since = state, self._clock()
            if state == "spooling":
                _log.warning("the database is unavailable, records wait on local disk: %s", self.last_error)
            elif state == "healthy":
                _log.warning("the database is back, and nothing waits any more")


def _sentence(error: Exception) -> str:
    """Return the error, if the message is ours; other messages may hold values of a record."""
    ours = isinstance(error, BanditRouteError)
    return f"{type(error).__name__}: {error}" if ours else type(error).__name__
