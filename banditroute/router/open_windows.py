"""Decisions whose outcome windows are open, in the order in which they close."""

import struct
from collections.abc import Iterator

from banditroute.core.ids import KEY_BYTES
from banditroute.core.log_time import LogTime
from banditroute.core.objectives import Objectives

PEER_GRACE_US = 10_000_000
"""Time that a decision's own worker has to close an expired window before other workers close it [us]."""

_ENTRY = struct.Struct(f"<q{KEY_BYTES}s")


class OpenWindows:
    """Queues of decisions, for each objective group whose window triggers learning when it closes.

    Decisions of this worker and of its peers have separate FIFO queues, since peers have :data:`PEER_GRACE_US` to
    close their own. An entry takes 24 bytes. Each contains its decision's time by :class:`LogTime`, so a decision
    made while a clock was ahead does not keep the windows behind it open.

    Attributes:
        groups: Objective group → length of its window [us].
    """

    def __init__(self, objectives: Objectives) -> None:
        self.groups = {
            group: window.microseconds
            for group, window in objectives.windows.items()
            if window is not None and window.learns_on_close
        }
        self._own = {group: bytearray() for group in self.groups}
        self._of_peers = {group: bytearray() for group in self.groups}
        self._time = LogTime()

    def add(self, group: str, created_us: int, decision_key: bytes) -> None:
        """Add the window of a decision for one group."""
        self._own[group] += _ENTRY.pack(self._time.advance(created_us), decision_key)

    def add_decision(self, created_us: int, decision_key: bytes, *, of_peer: bool = False) -> None:
        """Add the windows of a decision for all groups."""
        if not self.groups:
            return
        queues = self._of_peers if of_peer else self._own
        stamp_us = self._time.advance(created_us)
        for queue in queues.values():
            queue += _ENTRY.pack(stamp_us, decision_key)

    def pop_expired(self, now_us: int) -> Iterator[tuple[str, bytes]]:
        """Remove the decisions with expired windows, and yield group and decision key of each."""
        now_us = self._time.at(now_us)
        for group, length_us in self.groups.items():
            yield from _popped(group, self._own[group], now_us - length_us)
            yield from _popped(group, self._of_peers[group], now_us - length_us - PEER_GRACE_US)


def _popped(group: str, queue: bytearray, created_until_us: int) -> Iterator[tuple[str, bytes]]:
    end = 0
    while end < len(queue):
        created_us, decision_key = _ENTRY.unpack_from(queue, end)
        if created_us > created_until_us:
            break
        end += _ENTRY.size
        yield group, decision_key
    if end:
        del queue[:end]
