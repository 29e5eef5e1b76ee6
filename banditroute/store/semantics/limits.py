"""Limits on the values of one router's records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Self

import numpy as np

from banditroute.core.arrays import FEATURE_BITS, OUTCOME_BITS, RowArray
from banditroute.core.log import DecisionRecord, FeedbackRecord, LogRecord, ReportRecord
from banditroute.core.objectives import Objectives
from banditroute.core.spec import RouterSpec
from banditroute.errors import StoreError

LARGEST_VALUE = 1 << OUTCOME_BITS


@dataclass(frozen=True, slots=True)
class Limits:
    """The shape of a router as its rows must have it: within it every sum is exact, beyond it none is promised.

    A store refuses at the door what is outside, and passes it over where it finds it in the log.

    Attributes:
        length: Features of a row, with the intercept; None before the first vector.
        largest: Of a feature's absolute value [2⁻¹⁵].
        sizes: Objective group → how many values feedback has in it, each in [0, 2¹⁶] [2⁻¹⁶].
    """

    length: int | None
    largest: int
    sizes: Mapping[str, int]

    @classmethod
    def of(cls, spec: RouterSpec) -> Self:
        """Return the limits of a router."""
        unit = 1 << FEATURE_BITS
        groups = Objectives(spec.objectives).groups
        return cls(
            None if spec.dimension is None else spec.dimension + spec.intercept,
            max(round(spec.x_max * unit), unit if spec.intercept else 0),
            {group: len(positions) for group, positions in groups.items()},
        )

    def check(self, record: LogRecord) -> None:
        """Refuse a record that is outside.

        Raises:
            StoreError: for features or values of another number or beyond their bounds, for another group, and
                for text that not every database can keep.
        """
        match record:
            case DecisionRecord():
                self.check_rows([record.row])
                check_texts(key=record.draw_key, session=record.session, cohort=record.cohort, cause=record.cause)
            case FeedbackRecord():
                self.check_values(record.group, record.values, record.previous)
                check_texts(source=record.source)
            case ReportRecord():
                check_texts(served_arm=record.served_arm, source=record.source)

    def check_rows(self, rows: Sequence[RowArray]) -> None:
        """Refuse features, of many decisions at once; raises as :meth:`check` does."""
        for length in {len(row) for row in rows} if self.length is not None else ():
            if length != self.length:
                raise StoreError(
                    f"a decision has {length} features with its intercept, this router has {self.length}"
                )
        features = rows[0] if len(rows) == 1 else np.concatenate(rows)
        # Of the ufuncs: the methods of an array take twice the time.
        largest = max(-int(np.minimum.reduce(features)), int(np.maximum.reduce(features))) if len(features) else 0
        if largest > self.largest:
            raise StoreError(
                f"a decision has a feature of {largest} grid units, this router's are at most {self.largest}"
            )

    def check_values(self, group: str, *values: tuple[int, ...] | None) -> None:
        """Refuse outcomes on their grid, of much feedback at once; raises as :meth:`check` does."""
        size = self.sizes.get(group)
        if size is None:
            there = ", ".join(sorted(self.sizes))
            raise StoreError(f"feedback is of group {group!r:.80}, this router has: {there}")
        given = [each for each in values if each is not None]
        for length in set(map(len, given)):
            if length != size:
                raise StoreError(f"feedback of group {group!r} has {length} values, its objectives are {size}")
        every = list(chain.from_iterable(given))
        for value in (min(every), max(every)) if every else ():
            if not 0 <= value <= LARGEST_VALUE:
                raise StoreError(
                    f"feedback of group {group!r} has a value of {value} grid units, outside [0, {LARGEST_VALUE}]"
                )


def check_texts(**texts: str | None) -> None:
    """Refuse text that UTF-8 cannot write, or that holds NUL: PostgreSQL keeps neither.

    Raises:
        StoreError: then; the text may be somebody's, and is not repeated.
    """
    for name, text in texts.items():
        # What is printable, as nearly all of it is, holds neither.
        if text is None or text.isprintable():
            continue
        if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
            raise StoreError(f"{name} holds NUL or a lone surrogate, which no database is sure to keep")
