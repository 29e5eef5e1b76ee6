"""Bounds on the rows of one router: only decisions and feedback that the router could have produced."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from banditroute.core.arrays import FEATURE_BITS, OUTCOME_BITS, RowArray
from banditroute.core.log import DecisionRecord, FeedbackRecord, LogRecord, ReportRecord
from banditroute.core.objectives import MAX_LIMIT, Objective, Objectives
from banditroute.core.spec import RouterSpec
from banditroute.errors import StoreError

LARGEST_VALUE = 1 << OUTCOME_BITS


@dataclass(frozen=True, slots=True)
class Limits:
    """Shape and bounds that every row of a router must have; sums are exact only within these bounds.

    A store refuses records outside the bounds on append, and skips rows outside them when it reads the log.

    Attributes:
        length: Number of features of a row, including the intercept; None before the first vector.
        largest: Upper bound of a feature's absolute value [2⁻¹⁵].
        values: Objective group → lowest and highest value of each of its objectives [2⁻¹⁶].
    """

    length: int | None
    largest: int
    values: Mapping[str, Sequence[tuple[int, int]]]

    @classmethod
    def of(cls, spec: RouterSpec) -> Self:
        """Return the limits of a router."""
        unit = 1 << FEATURE_BITS
        objectives = Objectives(spec.objectives)
        return cls(
            None if spec.dimension is None else spec.dimension + spec.intercept,
            max(round(spec.x_max * unit), unit if spec.intercept else 0),
            {
                group: tuple(_range(objectives[position]) for position in positions)
                for group, positions in objectives.groups.items()
            },
        )

    def check(self, record: LogRecord) -> None:
        """Refuse a record outside the limits.

        Raises:
            StoreError: for a wrong number of features or values, for one beyond its bounds, for an unknown group,
                and for text that some database cannot store.
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
        """Refuse features of many decisions outside the limits; raises as :meth:`check` does."""
        for length in {len(row) for row in rows} if self.length is not None else ():
            if length != self.length:
                raise StoreError(
                    f"a decision has {length} features with its intercept, this router has {self.length}"
                )
        features = rows[0] if len(rows) == 1 else np.concatenate(rows)
        # The ufuncs take half the time of the array methods.
        largest = max(-int(np.minimum.reduce(features)), int(np.maximum.reduce(features))) if len(features) else 0
        if largest > self.largest:
            raise StoreError(
                f"a decision has a feature of {largest} grid units, this router's are at most {self.largest}"
            )

    def check_values(self, group: str, *values: tuple[int, ...] | None) -> None:
        """Refuse grid values of many feedbacks outside the limits; raises as :meth:`check` does."""
        ranges = self.values.get(group)
        if ranges is None:
            known = ", ".join(sorted(self.values))
            raise StoreError(f"feedback is of group {group!r:.80}, this router has: {known}")
        present = [each for each in values if each is not None]
        for length in set(map(len, present)):
            if length != len(ranges):
                raise StoreError(
                    f"feedback of group {group!r} has {length} values, its objectives are {len(ranges)}"
                )
        for (lowest, highest), numbers in zip(ranges, zip(*present, strict=True), strict=False):
            for value in (min(numbers), max(numbers)):
                if not lowest <= value <= highest:
                    raise StoreError(
                        f"feedback of group {group!r} has a value of {value} grid units, "
                        f"outside [{lowest}, {highest}]"
                    )


def _range(objective: Objective) -> tuple[int, int]:
    """Return the lowest and the highest value that may have been learned, whatever the limit is today."""
    most = round(MAX_LIMIT * LARGEST_VALUE)
    return (-most, most) if objective.is_resource else (0, LARGEST_VALUE)


def check_texts(**texts: str | None) -> None:
    """Refuse text that UTF-8 cannot encode or that contains NUL, because PostgreSQL stores neither.

    Raises:
        StoreError: for such text; the message does not repeat it, because it may be personal.
    """
    for name, text in texts.items():
        # Fast path: printable text, the usual case, contains neither.
        if text is None or text.isprintable():
            continue
        if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
            raise StoreError(f"{name} contains NUL or a lone surrogate, which PostgreSQL cannot store; remove it")
