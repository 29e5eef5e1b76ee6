"""The table of all exact sums: one entry for every arm, objective group and epoch."""

import hashlib
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Self

import numpy as np

from banditroute.core.arrays import IntArray, RowArray
from banditroute.core.log import StateKey
from banditroute.errors import InvalidArgumentError, SnapshotCorruptError
from banditroute.learning.sums.codec import Reader, encode, pack_sums, seal, unpack_sums, unseal, version_of
from banditroute.learning.sums.exact import MAX_DIMENSION, ExactSums

BASE_EPOCH = -1
"""The epoch into which old epochs are merged; it is older than every live epoch."""

_LEAST_BATCH = 64
_ROW_TYPE = np.dtype(np.int32)
_MAGIC = b"BRst"
_HEAD = struct.Struct("<IHI")
_GROUP = struct.Struct("<HH")
_KEY = struct.Struct("<HHq")


class SumsTable:
    """The sums of a router, keyed by arm, objective group and epoch.

    Rows are collected and added many at a time, which changes no result: the sums are exact. Reading an unknown
    arm gives empty sums and stores nothing.

    Attributes:
        dimension: Length of a row, with the intercept.
        groups: Objective group → its number of objectives.
    """

    __slots__ = ("_batch", "_buckets", "_epochs", "_shape", "dimension", "groups")

    def __init__(self, dimension: int, groups: Mapping[str, int]) -> None:
        if not groups:
            raise InvalidArgumentError("groups must name at least one objective group")
        for outcomes in groups.values():
            ExactSums(1, outcomes)
        if not 1 <= dimension <= MAX_DIMENSION:
            raise InvalidArgumentError(f"dimension = {dimension} is outside [1, {MAX_DIMENSION}]")
        self.dimension = dimension
        self.groups: Mapping[str, int] = dict(groups)
        self._shape = (dimension,)
        # This many rows need no more memory than the Gram triangle to which they will be added.
        self._batch = max(_LEAST_BATCH, dimension)
        self._buckets: dict[StateKey, _Bucket] = {}
        self._epochs: dict[tuple[str, str], dict[int, _Bucket]] = {}

    def add(self, key: StateKey, row: RowArray, values: Sequence[int] | IntArray) -> None:
        """Add one row [2⁻¹⁵] of shape (d,) with its values [2⁻¹⁶] in the order of the group's objectives.

        This is the hot path: it copies both and returns. The caller guarantees the magnitudes: a feature below 2¹¹
        and a value below 2¹⁰ in absolute size, checked where they enter the router.

        Raises:
            InvalidArgumentError: if the group is unknown, or the row or the values have the wrong length.
        """
        bucket = self._buckets.get(key) or self._open(key)
        if row.shape != self._shape or row.dtype != _ROW_TYPE or len(values) != bucket.sums.outcomes:
            raise InvalidArgumentError(
                f"group {key.group!r} takes an int32 row of shape {self._shape} with {bucket.sums.outcomes} "
                f"values, got {row.dtype} of shape {row.shape} with {len(values)}"
            )
        bucket.rows.append(row.tobytes())
        bucket.values.append(tuple(values))
        if len(bucket.rows) == self._batch:
            bucket.flush()

    def subtract(self, key: StateKey, row: RowArray, values: Sequence[int] | IntArray) -> None:
        """Subtract one row; raises as :meth:`ExactSums.subtract` does."""
        bucket = self._buckets.get(key) or self._open(key)
        bucket.sums.subtract(row[np.newaxis], _matrix(values))

    def amend(
        self,
        key: StateKey,
        row: RowArray,
        old_values: Sequence[int] | IntArray,
        new_values: Sequence[int] | IntArray,
    ) -> None:
        """Replace the values of one row; raises as :meth:`ExactSums.amend` does."""
        bucket = self._buckets.get(key) or self._open(key)
        bucket.sums.amend(row[np.newaxis], _matrix(old_values), _matrix(new_values))

    def totals(self, arm: str, group: str) -> ExactSums:
        """Return the sums of one arm and group over all epochs, as new sums."""
        return self._total(group, self._epochs.get((arm, group), {}).values())

    def by_epoch(self, arm: str, group: str) -> Mapping[int, ExactSums]:
        """Return epoch → sums of one arm and group, oldest first; read-only."""
        self._outcomes(group)
        return {epoch: bucket.flushed() for epoch, bucket in sorted(self._epochs.get((arm, group), {}).items())}

    def pooled(self, group: str) -> ExactSums:
        """Return the sums of one group over all arms and epochs, as new sums."""
        return self._total(group, (bucket for key, bucket in self._buckets.items() if key.group == group))

    def sums(self, key: StateKey) -> ExactSums:
        """Return the sums of one key, as new sums."""
        bucket = self._buckets.get(key)
        return self._total(key.group, () if bucket is None else (bucket,))

    def put(self, key: StateKey, sums: ExactSums) -> None:
        """Add sums to those of one key; raises as :meth:`ExactSums.merge` does."""
        (self._buckets.get(key) or self._open(key)).sums.merge(sums)

    def merge(self, other: "SumsTable") -> None:
        """Add all sums of another table; both must have the same dimension and groups."""
        if (other.dimension, other.groups) != (self.dimension, self.groups):
            raise InvalidArgumentError(
                f"a table of dimension {other.dimension} and groups {dict(other.groups)} cannot be merged into "
                f"those of dimension {self.dimension} and groups {dict(self.groups)}"
            )
        for key in other.keys:
            self.put(key, other._buckets[key].flushed())

    def merge_epochs(self, before: int, *, into: Callable[[StateKey], int] = lambda _: BASE_EPOCH) -> None:
        """Add every epoch below ``before`` to an older one of its arm and group, the base epoch by default.

        Totals do not change. The caller must determine when to merge, and into which epoch, by a rule that depends
        only on the sequence of decisions, so that every worker has the same buckets.
        """
        for key in [key for key in self._buckets if BASE_EPOCH < key.epoch < before]:
            target = key._replace(epoch=into(key))
            if target == key:
                continue
            self.put(target, self._buckets[key].flushed())
            del self._buckets[key]
            del self._epochs[key.arm, key.group][key.epoch]

    @property
    def keys(self) -> tuple[StateKey, ...]:
        """The keys of all sums that are not empty, sorted."""
        return tuple(key for key in sorted(self._buckets) if self._buckets[key].flushed())

    def digest(self) -> str:
        """Return a SHA-256 over all keys and sums, as hexadecimal digits.

        It depends only on the rows learned: not on their order, the batches, or the worker that learned them.
        """
        return hashlib.sha256(self.encode()).hexdigest()

    def blobs(self) -> dict[StateKey, bytes]:
        """Return the encoded sums of every key that is not empty, as a store keeps them."""
        return {key: encode(self._buckets[key].sums) for key in self.keys}

    def encode(self) -> bytes:
        """Return all sums as bytes; equal tables have equal bytes."""
        keys = self.keys
        version = version_of(self._buckets[key].sums for key in keys)
        parts = [_HEAD.pack(self.dimension, len(self.groups), len(keys))]
        for name, outcomes in sorted(self.groups.items()):
            text = name.encode()
            parts += [_GROUP.pack(len(text), outcomes), text]
        for key in keys:
            arm, group = key.arm.encode(), key.group.encode()
            parts += [_KEY.pack(len(arm), len(group), key.epoch), arm, group]
            parts += pack_sums(self._buckets[key].sums, version)
        return seal(_MAGIC, version, *parts)

    @classmethod
    def decode(cls, blob: bytes) -> Self:
        """Return the table that :meth:`encode` wrote.

        Raises:
            SnapshotCorruptError: if the bytes are anything else.
        """
        version, payload = unseal(_MAGIC, blob)
        reader = Reader(payload)
        dimension, group_count, key_count = reader.unpack(_HEAD)
        groups = {}
        for _ in range(group_count):
            size, outcomes = reader.unpack(_GROUP)
            groups[reader.text(size)] = outcomes
        try:
            table = cls(dimension, groups)
            for _ in range(key_count):
                arm_size, group_size, epoch = reader.unpack(_KEY)
                key = StateKey(reader.text(arm_size), reader.text(group_size), epoch)
                table.put(key, unpack_sums(reader, version))
        except InvalidArgumentError as error:
            raise SnapshotCorruptError(f"the table of sums contradicts itself: {error}") from None
        reader.finish()
        return table

    def _open(self, key: StateKey) -> "_Bucket":
        bucket = _Bucket(self.dimension, self._outcomes(key.group))
        self._buckets[key] = bucket
        self._epochs.setdefault((key.arm, key.group), {})[key.epoch] = bucket
        return bucket

    def _outcomes(self, group: str) -> int:
        try:
            return self.groups[group]
        except KeyError:
            known = ", ".join(sorted(self.groups))
            raise InvalidArgumentError(f"unknown objective group {group!r}; there are: {known}") from None

    def _total(self, group: str, buckets: Iterable["_Bucket"]) -> ExactSums:
        total = ExactSums(self.dimension, self._outcomes(group))
        for bucket in buckets:
            total.merge(bucket.flushed())
        return total


class _Bucket:
    """The sums of one key, and the pending rows that one matrix product will add to them.

    Pending rows are kept as bytes: copying a row into an array would take five times as long.
    """

    __slots__ = ("rows", "sums", "values")

    def __init__(self, dimension: int, outcomes: int) -> None:
        self.sums = ExactSums(dimension, outcomes)
        self.rows: list[bytes] = []
        self.values: list[tuple[int, ...]] = []

    def flush(self) -> None:
        rows = np.frombuffer(b"".join(self.rows), dtype=_ROW_TYPE).reshape(-1, self.sums.dimension)
        self.sums.add(rows, np.array(self.values, dtype=np.int64))
        self.rows.clear()
        self.values.clear()

    def flushed(self) -> ExactSums:
        if self.rows:
            self.flush()
        return self.sums


def _matrix(values: Sequence[int] | IntArray) -> IntArray:
    return np.asarray(values, dtype=np.int64)[np.newaxis]
