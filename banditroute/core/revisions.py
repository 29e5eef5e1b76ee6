"""The revision rule: how a feedback changes the known feedback of the same decision and objective group.

The outcomes of one decision and objective group form a chain of *revisions*, numbered from 0. Each revision
subtracts the values that the revision before it added, and adds its own:

========================  ===============  ============================================================
kind                      values           previous
========================  ===============  ============================================================
first values              the values       None
kept, not learned         None             None (late, over the cap of its source, window still open)
amendment                 the new values   the values before
retraction                None             the values before
========================  ===============  ============================================================

An amendment that moves values to another arm is two revisions: a retraction, then first values.

Four parts of the library apply this rule: the live path
(:func:`transition`: which revisions does a report make?), the store (:func:`rebase`: which are they beside what
other workers stored meanwhile?), the follower (:func:`is_known`, :func:`continues`, :func:`moves`: what does an
event of the log change for this worker?) and the fold (:func:`follows`: may these values leave the sums?).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from banditroute.core.log import FeedbackRecord
from banditroute.errors import FeedbackConflictError

CONFLICT = "different feedback already recorded for this decision; pass amend=True to correct it"


class Revision(Protocol):
    """The values of one revision; a :class:`~banditroute.core.log.FeedbackRecord` is one."""

    @property
    def revision(self) -> int:
        """Its number, from 0."""
        ...

    @property
    def arm(self) -> str:
        """The arm on which it was learned; empty where the stored row is unreadable."""
        ...

    @property
    def values(self) -> tuple[int, ...] | None:
        """The values that it added to the sums; None if it added nothing."""
        ...

    @property
    def outcomes(self) -> Mapping[str, float]:
        """The values as reported; empty for a retraction."""
        ...

    @property
    def received_us(self) -> int:
        """When it was reported [us]."""
        ...

    @property
    def by_default(self) -> bool:
        """Whether its window closed without a report, and the default was learned."""
        ...


def transition(last: Revision | None, report: FeedbackRecord) -> Sequence[FeedbackRecord]:
    """Return the revisions that lead from ``last`` to the outcomes of ``report``; none if nothing changes.

    They carry their revision numbers and, counting on from that of ``report``, their sequence numbers.

    Raises:
        FeedbackConflictError: if other outcomes are known and the report is no amendment.
    """
    if last is None or is_blank(last):
        return _first(report, revision=0 if last is None else last.revision + 1)
    # What was kept is learned when its window closes, by a later revision; all else that is the same is no news.
    learns_kept = bool(report.revision) and last.values is None
    if _same_report(last, report) and not (last.by_default or learns_kept):
        return ()
    # A later revision was made of an earlier one by its worker, so it replaces what it finds.
    if not (report.amends or report.revision or last.by_default):
        raise FeedbackConflictError(CONFLICT)
    revision = last.revision + 1
    if last.values is None:
        return _first(report, revision=revision)
    if report.arm == last.arm or is_blank(report):
        return (replace(report, arm=last.arm, revision=revision, previous=last.values),)
    retraction = replace(report, arm=last.arm, revision=revision, values=None, previous=last.values, outcomes={})
    moved = replace(report, revision=revision + 1, previous=None, number=report.number + 1)
    return (retraction, moved)


def rebase(stored: Sequence[Revision], record: FeedbackRecord) -> Sequence[FeedbackRecord]:
    """Return what of ``record`` is new beside the stored revisions of its decision and group, oldest first.

    Nothing if it is stored already; the record itself if it is the next revision; else the revisions that do to
    the last stored one what the record did to the one its worker knew: an amendment subtracts the stored values
    from the arm on which they were learned, even if the reporting worker saw something else.

    Raises:
        FeedbackConflictError: if these are first values and others are stored.
    """
    if not stored:
        return transition(None, record)
    last = stored[-1]
    if record.by_default and last.arm:
        # A default stands in for what is missing or unreadable, and for nothing else.
        return ()
    if _same_content(last, record) and not last.by_default:
        return ()
    if _is_next(last, record):
        return (record,)
    if any(_is_delivery_of(record, each) for each in stored):
        return ()
    return transition(last, record)


def retraction(last: FeedbackRecord, *, number: int, received_us: int) -> FeedbackRecord:
    """Return the revision that subtracts what ``last`` added and holds no values, as feedback ``number``."""
    return replace(
        last,
        number=number,
        revision=last.revision + 1,
        values=None,
        previous=last.values,
        outcomes={},
        received_us=received_us,
        by_default=False,
    )


def follows(last: Revision | None, event: FeedbackRecord) -> bool:
    """Return whether the event subtracts exactly what the revision before it added."""
    added = None if last is None else last.values
    if event.previous != added:
        return False
    return last is None or added is None or event.arm == last.arm


def is_known(last: FeedbackRecord, event: FeedbackRecord, *, read: int) -> bool:
    """Return whether an event of the log is known to a worker already.

    It is if its revision was read from the log (``read`` is the last one that was; −1 for none), or if it is the
    worker's own last revision with the same effect.
    """
    return event.revision <= read or (event.revision == last.revision and same_effect(last, event))


def continues(last: FeedbackRecord, event: FeedbackRecord) -> bool:
    """Return whether an unknown event continues a worker's last revision, so that it can be applied.

    A revision below the worker's own does not, whatever it holds: where the store refused reports of the worker,
    or had them already, its own numbers may be ahead of those in the log. Then only the log has the answer.
    """
    return event.revision >= last.revision and follows(last, event)


def same_effect(one: Revision, other: Revision) -> bool:
    """Return whether two revisions leave the same in the sums."""
    return one.values == other.values and (one.arm == other.arm or one.values is None)


def moves(before: FeedbackRecord | None, after: FeedbackRecord) -> Iterator[FeedbackRecord]:
    """Yield what takes the sums from one revision to another: subtract the old values, add the new ones."""
    if before is not None and same_effect(before, after):
        return
    if before is not None and before.values is not None:
        yield replace(after, arm=before.arm, row=before.row, values=None, previous=before.values)
    if after.values is not None:
        yield replace(after, previous=None)


def is_blank(revision: Revision) -> bool:
    """Return whether a revision holds nothing: a retraction, or a row that is unreadable."""
    return revision.values is None and not revision.outcomes


def _first(report: FeedbackRecord, *, revision: int) -> Sequence[FeedbackRecord]:
    if is_blank(report):
        return ()
    if (report.revision, report.previous) == (revision, None):
        return (report,)
    return (replace(report, revision=revision, previous=None),)


def _is_next(last: Revision, record: FeedbackRecord) -> bool:
    if record.revision != last.revision + 1 or not follows(last, record):
        return False
    return last.values is not None or record.values is not None


def _is_delivery_of(record: FeedbackRecord, stored: Revision) -> bool:
    """Return whether a record is stored already, maybe rebased and amended since: its time is the same."""
    same_time = stored.received_us == record.received_us
    return same_time and stored.outcomes == record.outcomes and same_effect(stored, record)


def _same_report(one: Revision, other: Revision) -> bool:
    return one.outcomes == other.outcomes and one.arm == other.arm


def _same_content(one: Revision, other: Revision) -> bool:
    return _same_report(one, other) and one.values == other.values
