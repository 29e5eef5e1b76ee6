"""The fold: adds feedback to encoded sums, in the transaction of the store."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from banditroute.core.arrays import IntArray
from banditroute.core.log import FeedbackRecord, StateKey
from banditroute.errors import InvalidArgumentError, SnapshotCorruptError
from banditroute.learning.sums.codec import decode, encode
from banditroute.learning.sums.exact import ExactSums

Fold: TypeAlias = Callable[[Mapping[StateKey, bytes], Sequence[FeedbackRecord]], Mapping[StateKey, bytes]]
"""(the blobs of the touched keys that exist, feedback) → their new blobs."""


def folder(groups: Mapping[str, int]) -> Fold:
    """Return the fold of a router; ``groups`` maps each objective group to its number of objectives.

    The fold is pure. It takes the dimension from the rows, since a router may learn it from its first vector. It
    raises InvalidArgumentError for feedback that does not fit its group, and SnapshotCorruptError for a blob that
    is damaged or has another shape.
    """
    sizes = dict(groups)

    def fold(blobs: Mapping[StateKey, bytes], feedback: Sequence[FeedbackRecord]) -> Mapping[StateKey, bytes]:
        return {
            key: encode(_folded(key, sizes, blobs.get(key), records)) for key, records in _by_key(feedback).items()
        }

    return fold


def _by_key(feedback: Sequence[FeedbackRecord]) -> dict[StateKey, list[FeedbackRecord]]:
    keyed: dict[StateKey, list[FeedbackRecord]] = {}
    for record in feedback:
        keyed.setdefault(StateKey(record.arm, record.group, record.epoch), []).append(record)
    return keyed


def _folded(
    key: StateKey, sizes: Mapping[str, int], blob: bytes | None, records: Sequence[FeedbackRecord]
) -> ExactSums:
    if key.group not in sizes:
        raise InvalidArgumentError(
            f"feedback is of group {key.group!r}, this router has: {', '.join(sorted(sizes))}"
        )
    shape = (len(records[0].row), sizes[key.group])
    sums = ExactSums(*shape) if blob is None else decode(blob)
    if (sums.dimension, sums.outcomes) != shape:
        raise SnapshotCorruptError(
            f"sums of {key} have shape {(sums.dimension, sums.outcomes)}, feedback has {shape}"
        )
    # A record subtracts its previous values and adds its new ones; a first report has no previous values, a
    # retraction has no new ones.
    for record in (record for record in records if record.previous is not None and record.values is not None):
        sums.amend(record.row[np.newaxis], _values([record.previous]), _values([record.values]))
    added = [record for record in records if record.previous is None and record.values is not None]
    if added:
        sums.add(np.stack([record.row for record in added]), _values([record.values for record in added]))
    taken = [record for record in records if record.previous is not None and record.values is None]
    if taken:
        sums.subtract(np.stack([record.row for record in taken]), _values([record.previous for record in taken]))
    return sums


def _values(values: Sequence[tuple[int, ...] | None]) -> IntArray:
    return np.array(values, dtype=np.int64)
