"""Decisions whose outcome windows are open, in the order in which they close."""

import struct
from collections.abc import Iterator

from banditroute.core.ids import KEY_BYTES
from banditroute.core.objectives import Objectives

PEER_GRACE_US = 10_000_000
"""How long after its window a decision's own worker may take to close it before others do [us]."""

_ENTRY = struct.Struct(f"<q{KEY_BYTES}s")


class OpenWindows:
    """FIFO queues of decisions, for each objective group whose window triggers learning when it closes.

    Decisions of this worker and of its peers wait apart, since peers get :data:`PEER_GRACE_US` to close theirs;
    24 bytes a decision.

    Attributes:
        groups: Group → length of its window [us].
    """

    def __init__(self, objectives: Objectives) -> None:
        self.groups = {
            group: window.microseconds
            for group, window in objectives.windows.items()
            if window is not None and window.learns_on_close
        }
        self._own = {group: bytearray() for group in self.groups}
        self._of_peers = {group: bytearray() for group in self.groups}

    def add(self, group: str, created_us: int, decision_key: bytes) -> None:
        """Await the outcome of a decision in one group."""
        self._own[group] += _ENTRY.pack(created_us, decision_key)

    def add_decision(self, created_us: int, decision_key: bytes, *, of_peer: bool = False) -> None:
        """Await the outcomes of a decision in all groups."""
        queues = self._of_peers if of_peer else self._own
        for queue in queues.values():
            queue += _ENTRY.pack(created_us, decision_key)

    def pop_expired(self, now_us: int) -> Iterator[tuple[str, bytes]]:
        """Take out the decisions whose windows are over: group and decision key."""
        for group, length_us in self.groups.items():
            yield from _popped(group, self._own[group], now_us - length_us)
            yield from _popped(group, self._of_peers[group], now_us - length_us - PEER_GRACE_US)


def _popped(group: str, queue: bytearray, created_until_us: int) -> Iterator[tuple[str, bytes]]:
    end = 0
    while end < len(queue):
        created_us, decision_key = _ENTRY.unpack_from(queue, end)
        # A queue, not a heap: where the clock was set back, later ones wait for the one in front.
        if created_us > created_until_us:
            break
        end += _ENTRY.size
        yield group, decision_key
    if end:
        del queue[:end]
