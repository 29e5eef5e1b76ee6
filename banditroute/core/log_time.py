"""Time for order and durations, from the times in a log whose clocks may jump or disagree."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

TOLERANCE_US = 60_000_000
"""Distance up to which a time before the latest one is a difference between clocks, and no correction [us]."""

PATIENCE_US = 10_000_000
"""Progress of a clock far behind the latest time after which its time counts [us]."""


@dataclass(slots=True)
class LogTime:
    """A time that never goes back, as a function of the times of a log's records in their order.

    It follows the clock that is ahead, so a clock that steps back and forth, or two workers whose clocks differ,
    advance it no faster than the clock ahead. A clock that jumps far ahead advances it by that jump, once. If the
    clock is then corrected, and no record is as late any more, time stands still until the corrected clock has
    advanced by 10 s; then it follows that clock.

    All times are in microseconds; the first one is that of the first record.

    >>> time = LogTime()
    >>> [time.advance(seconds * 1_000_000) // 1_000_000 for seconds in (100, 101, 90, 102, 86_500)]
    [100, 101, 101, 102, 86500]
    >>> [time.advance(seconds * 1_000_000) // 1_000_000 for seconds in (103, 108, 113, 114)]
    [86500, 86500, 86510, 86511]

    Attributes:
        elapsed_us: The time at the last record; None before the first.
        offset_us: Difference between this time and the clock that it follows.
        ahead_us: The same for the clock followed before that one, which was ahead; None if there is none.
        behind_us: Where a clock far behind began to advance; None if no clock is.
    """

    elapsed_us: int | None = None
    offset_us: int = 0
    ahead_us: int | None = None
    behind_us: int | None = None

    def advance(self, time_us: int) -> int:
        """Add the time of the next record, and return the time of the log."""
        self.elapsed_us, self.offset_us, self.ahead_us, self.behind_us = self._next(time_us)
        return self.elapsed_us

    def at(self, time_us: int) -> int:
        """Return the time of the log if its next record were of ``time_us``."""
        return self._next(time_us)[0]

    def state(self) -> Mapping[str, Any]:
        """Return plain values, fit for JSON."""
        return asdict(self)

    @classmethod
    def restored(cls, state: Mapping[str, Any] | None) -> "LogTime":
        """Return the time with the state that :meth:`state` returned; None is the beginning."""
        return cls(**(state or {}))

    def _next(self, time_us: int) -> tuple[int, int, int | None, int | None]:
        elapsed = self.elapsed_us
        if elapsed is None:
            return time_us, 0, None, None
        if self.ahead_us is not None and time_us + self.ahead_us >= elapsed:
            # Back on the clock that was followed before: its jump ahead was counted already.
            return time_us + self.ahead_us, self.ahead_us, None, None
        lag = elapsed - (time_us + self.offset_us)
        if lag <= 0:
            return elapsed - lag, self.offset_us, self.ahead_us, None
        if lag <= TOLERANCE_US:
            return elapsed, self.offset_us, self.ahead_us, None
        since = time_us if self.behind_us is None else min(self.behind_us, time_us)
        advanced = time_us - since
        if advanced < PATIENCE_US:
            return elapsed, self.offset_us, self.ahead_us, since
        elapsed += advanced
        return elapsed, elapsed - time_us, self.offset_us, None
