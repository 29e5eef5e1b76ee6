"""Caps on the share of each feedback source."""

from collections.abc import Mapping

from banditroute.core.names import checked_name
from banditroute.core.shown import shown
from banditroute.core.validation import require_number
from banditroute.errors import InvalidArgumentError

MAX_SOURCE = 200
"""Longest name of a source."""

GRACE = 50
"""Number of feedbacks of a source that are learned before its cap applies."""


class SourceCaps:
    """Counts learned feedback by source, and limits capped sources to their share.

    Validation cannot detect a source whose values are plausible but wrong; a cap bounds the damage until the
    source is noticed and forgotten. Feedback above the cap is kept in the log and not learned.

    Args:
        caps: Source → its largest share of all learned feedback. (0, 1]
    """

    def __init__(self, caps: Mapping[str, float] | None = None) -> None:
        if caps is not None and not isinstance(caps, Mapping):
            raise InvalidArgumentError(f"source_caps must map sources to shares, got {type(caps).__name__}")
        self._caps = {
            checked_name("source", source, longest=MAX_SOURCE): require_number(
                f"source_caps[{shown(source, 40)}]", share, above=0, most=1
            )
            for source, share in (caps or {}).items()
        }
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
