"""Caps on the share of each feedback source."""

from collections.abc import Mapping

GRACE = 50
"""Number of feedbacks of a source that are learned before its cap applies."""


class SourceCaps:
    """Counts learned feedback by source, and limits capped sources to their share.

    Validation cannot detect a source whose values are plausible but wrong; a cap bounds the damage until the
    source is noticed and forgotten. Feedback above the cap is kept in the log and not learned. Reports that the
    store resolves in one transaction are counted after it, so a burst of them may exceed the cap once.

    Args:
        caps: Source → its largest share of all learned feedback. (0, 1]
    """

    def __init__(self, caps: Mapping[str, float]) -> None:
        self._caps = dict(caps)
        self._counts: dict[str, int] = {}
        self._learned = 0

    def count(self, source: str | None, change: int) -> None:
        """Add ``change`` to the count of feedback learned from a source; negative for a retraction."""
        self._learned += change
        if source in self._caps:
            self._counts[source] = self._counts.get(source, 0) + change

    def allows(self, source: str | None) -> bool:
        """Return whether the source's cap allows one more feedback."""
        if source is None or source not in self._caps:
            return True
        count = self._counts.get(source, 0) + 1
        return count <= GRACE or count <= self._caps[source] * (self._learned + 1)

    def state(self) -> Mapping[str, int]:
        """Return the counts as a mapping for JSON."""
        return {"": self._learned, **self._counts}

    def restore(self, state: Mapping[str, int]) -> None:
        """Continue from the result of :meth:`state`."""
        self._counts = dict(state)
        self._learned = self._counts.pop("", 0)
