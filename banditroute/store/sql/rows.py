"""Decodes rows; an invalid row is skipped without affecting the others.

A row may be corrupted by a manual edit, a disk error or a bug in an earlier version. It keeps its sequence number,
and is read as an empty record: feedback without a group, or a decision without arms. So every worker skips the
same rows at the same positions, and the numbering stays without gaps.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, TypeAlias

import numpy as np

from banditroute.core.log import DecisionRecord, FeedbackRecord
from banditroute.errors import BanditRouteError
from banditroute.store.semantics.limits import Limits
from banditroute.store.sql.decode import to_decisions, to_feedbacks
from banditroute.store.sql.encode import REFUSED, ArmIds, StoredRevision, to_revision

OnSkip: TypeAlias = Callable[[DecisionRecord | FeedbackRecord, str], None]
"""Called with the empty record and the reason for each skipped row, except rows that a fold refused before."""

NOTHING = StoredRevision(0, "", None, {}, 0, by_default=False)
"""The revision of a row that is skipped."""

_NOTHING = np.zeros(0)


class Rows:
    """Decodes the rows of one router, in the order of their numbers."""

    def __init__(self, arms: ArmIds, limits: Limits, on_skip: OnSkip | None = None) -> None:
        self._on_skip = on_skip
        self._lost: set[tuple[bytes, str, int]] = set()
        self.refresh(arms, limits)

    def refresh(self, arms: ArmIds, limits: Limits) -> None:
        """Update the arms and limits: arms may have been added, or the dimension fixed."""
        self._arms, self._limits = arms, limits

    def decisions(self, rows: Sequence[Any]) -> list[DecisionRecord]:
        """Decode rows of :data:`~banditroute.store.sql.decode.DECISION_COLUMNS`."""
        try:
            return self._decisions(rows)
        except Exception:  # noqa: BLE001  (a corrupted row can raise any error)
            return [self._decision(row) for row in rows]

    def feedback(self, rows: Sequence[Any]) -> list[FeedbackRecord]:
        """Decode rows of :data:`~banditroute.store.sql.decode.FEEDBACK_COLUMNS`, features and epoch.

        The values of a skipped row were never added, so the next revision does not subtract them.
        """
        if not self._lost:
            with suppress(Exception):
                return self._feedback(rows)
        return [self._one_feedback(row) for row in rows]

    def _decisions(self, rows: Sequence[Any]) -> list[DecisionRecord]:
        records = to_decisions(rows, self._arms)
        if records:
            self._limits.check_rows([record.row for record in records])
        return records

    def _decision(self, row: Any) -> DecisionRecord:
        try:
            return self._decisions([row])[0]
        except Exception as error:  # noqa: BLE001  (as above)
            blank = _no_decision(row)
            self._skipped(blank, error)
            return blank

    def _feedback(self, rows: Sequence[Any]) -> list[FeedbackRecord]:
        records = to_feedbacks(rows, self._arms)
        if records:
            self._limits.check_rows([record.row for record in records])
        for group in {record.group for record in records}:
            of_group = [record for record in records if record.group == group]
            self._limits.check_values(
                group, *(each.values for each in of_group), *(each.previous for each in of_group)
            )
        return records

    def _one_feedback(self, row: Any) -> FeedbackRecord:
        if row.kind == REFUSED:
            return _no_feedback(row)
        try:
            after_lost = (row.body, row.objective_group, row.revision - 1) in self._lost
            return self._feedback([(*row[:6], None, *row[7:]) if after_lost else row])[0]
        except Exception as error:  # noqa: BLE001  (as above)
            self._lost.add((row.body, row.objective_group, row.revision))
            blank = _no_feedback(row)
            self._skipped(blank, error)
            return blank

    def revision(self, row: Any) -> StoredRevision:
        """Decode a row of :data:`~banditroute.store.sql.encode.REVISION_COLUMNS`."""
        nothing = NOTHING._replace(revision=row.revision)
        try:
            found = to_revision(row, self._arms)
            self._limits.check_values(row.objective_group, found.values)
        except Exception:  # noqa: BLE001  (as above)
            return nothing
        return nothing if row.kind == REFUSED else found

    def _skipped(self, blank: DecisionRecord | FeedbackRecord, error: Exception) -> None:
        if self._on_skip is not None:
            self._on_skip(blank, safe_reason(error))


class SkippedRows:
    """Collects the skipped rows, and reports each of them once.

    Attributes:
        count: Number of skipped rows.
    """

    MOST = 10_000

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self._lock = threading.Lock()
        self._rows: set[tuple[bool, int, bytes]] = set()

    @property
    def count(self) -> int:
        """Number of skipped rows, at most :attr:`MOST`."""
        return len(self._rows)

    def __call__(self, record: DecisionRecord | FeedbackRecord, reason: str) -> None:
        """Add a row, and report it unless it is known."""
        with self._lock:
            row = isinstance(record, DecisionRecord), record.number, record.decision_key
            if row in self._rows or len(self._rows) >= self.MOST:
                return
            self._rows.add(row)
        self._report(f"{named(record)} is skipped: {reason}")


def named(record: DecisionRecord | FeedbackRecord) -> str:
    """Return the name of a row in messages."""
    if isinstance(record, DecisionRecord):
        return f"decision number {record.number}"
    return f"feedback number {record.number}"


def safe_reason(error: Exception) -> str:
    """Describe an error without stored values: messages of other libraries may repeat them."""
    return str(error) if isinstance(error, BanditRouteError) else f"it cannot be read ({type(error).__name__})"


def readable(records: Iterable[FeedbackRecord]) -> Sequence[FeedbackRecord]:
    """Return the records that were not skipped."""
    return [record for record in records if record.group]


def _no_decision(row: Any) -> DecisionRecord:
    return DecisionRecord(
        decision_key=row.body,
        number=row.decided or 0,
        n_feedback=row.learned or 0,
        arm="",
        row=np.zeros(0, dtype=np.int32),
        arms=(),
        probabilities=_NOTHING,
        mean=_NOTHING.reshape(0, 0),
        width=_NOTHING.reshape(0, 0),
        preferences={},
        weights=_NOTHING,
        excluded={},
        epoch=0,
        mode="",
        cause="",
        draw_key=None,
        effects={},
        created_us=0,
    )


def _no_feedback(row: Any) -> FeedbackRecord:
    return FeedbackRecord(
        decision_key=row[0],
        number=row[1] or 0,
        group="",
        revision=0,
        arm="",
        row=np.zeros(0, dtype=np.int32),
        epoch=0,
        values=None,
        previous=None,
        outcomes={},
        source=None,
        received_us=0,
    )
