"""Decisions whose outcomes are still awaited, in the order in which their windows end."""

import struct
from collections.abc import Iterator

from banditroute.core.ids import BODY_BYTES
from banditroute.core.objectives import Objectives

_ENTRY = struct.Struct(f"<q{BODY_BYTES}s")


class OpenWindows:
    """A queue for each objective group whose window ends in learning; 24 bytes a decision.

    Attributes:
        groups: Group → length of its window [us].
    """

    def __init__(self, objectives: Objectives) -> None:
        self.groups = {
            group: window.microseconds
            for group, window in objectives.windows.items()
            if window is not None and window.learns_on_close
        }
        self._queues = {group: bytearray() for group in self.groups}

    def add(self, group: str, created_us: int, body: bytes) -> None:
        """Await a decision's outcome."""
        self._queues[group] += _ENTRY.pack(created_us, body)

    def decided(self, created_us: int, body: bytes) -> None:
        """Await all outcomes of a decision."""
        for group in self.groups:
            self.add(group, created_us, body)

    def over(self, now_us: int) -> Iterator[tuple[str, bytes]]:
        """Take out those whose window is over: group and body of the decision."""
        for group, wait in self.groups.items():
            queue = self._queues[group]
            end = 0
            while end < len(queue):
                created_us, body = _ENTRY.unpack_from(queue, end)
                # A queue, not a heap: where the clock was set back, those behind wait for the one in front.
                if created_us + wait > now_us:
                    break
                end += _ENTRY.size
                yield group, body
            if end:
                del queue[:end]
