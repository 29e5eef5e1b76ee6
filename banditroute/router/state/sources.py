"""Caps on the share of each feedback source."""

from collections.abc import Mapping

from banditroute.core.validation import require_number

GRACE = 50
"""So many feedbacks of a source are learned before its cap applies."""


class SourceCaps:
    """Counts what was learned from each source, and holds those that are capped to their share.

    Validation cannot stop a source that tells plausible lies; a cap bounds the harm until it is noticed and
    forgotten. What is beyond the cap is kept in the log, not learned.

    Args:
        caps: Source → largest share of all that is learned. (0, 1]
    """

    def __init__(self, caps: Mapping[str, float] | None = None) -> None:
        self._caps = dict(caps or {})
        for source, share in self._caps.items():
            require_number(f"source_caps[{source!r:.40}]", share, above=0, most=1)
        self._counts: dict[str, int] = {}
        self._learned = 0

    def count(self, source: str | None, change: int) -> None:
        """Count what was learned from a source, and what was taken out again."""
        self._learned += change
        if source in self._caps:
            self._counts[source] = self._counts.get(source, 0) + change

    def allows(self, source: str | None) -> bool:
        """Whether one more feedback of this source is learned."""
        if source is None or source not in self._caps:
            return True
        count = self._counts.get(source, 0) + 1
        return count <= GRACE or count <= self._caps[source] * (self._learned + 1)

    def state(self) -> Mapping[str, int]:
        """The counts, fit for JSON."""
        return {"": self._learned, **self._counts}

    def restore(self, state: Mapping[str, int]) -> None:
        """Continue from what :meth:`state` gave."""
        self._counts = dict(state)
        self._learned = self._counts.pop("", 0)
