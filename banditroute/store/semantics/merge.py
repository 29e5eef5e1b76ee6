"""What an appended record means beside what other workers stored before it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from banditroute.core.log import ArmRecord, FeedbackRecord
from banditroute.errors import FeedbackConflictError
from banditroute.store.semantics.canonical import content_digest

REPORTS_WAITING = 32
"""So many different reports may wait for one decision; whoever has an id could send any number."""

WAITING_DAYS = 30
"""So long feedback waits for a decision that is not here: its host may be down, with the decision in its spool."""

DAY_US = 86_400_000_000

TOO_MANY = f"{REPORTS_WAITING} different reports wait for this decision already; feedback not recorded"

CONFLICT = "different feedback already recorded for this decision; pass amend=True to correct it"


class StoredRevision(NamedTuple):
    """One stored revision of an objective group; ``digest`` is the digest of what it says, empty if that is
    lost.
    """

    revision: int
    arm: str
    values: tuple[int, ...] | None
    digest: bytes
    received_us: int
    by_default: bool = False


def to_held(record: FeedbackRecord) -> StoredRevision:
    """The stored revision that a record is."""
    digest = content_digest(record)
    return StoredRevision(
        record.revision, record.arm, record.values, digest, record.received_us, by_default=record.by_default
    )


def merge_feedback(
    stored: Sequence[StoredRevision], record: FeedbackRecord, digest: bytes
) -> Sequence[FeedbackRecord]:
    """What of ``record`` is new beside the stored revisions of its decision and group, in order.

    Nothing, if it is there; itself, if it follows the last revision; else the same wish as the revision that
    does follow: an amendment takes out what is stored, from the arm that it was learned on, whatever its worker
    thought.

    Raises:
        FeedbackConflictError: if these are first values, and others are stored.
    """
    last = stored[-1] if stored else None
    if last is None:
        return _first(record, revision=0)
    if last.digest == digest or (record.by_default and last.digest):
        # A default stands in for what is not there, or is lost.
        return ()
    if _follows(record, last):
        return (record,)
    # What was rebased, or amended since, and is delivered again, was received at the same moment as before.
    if any((held.digest, held.received_us) == (digest, record.received_us) for held in stored):
        return ()
    revision = last.revision + 1
    if last.values is None:
        return _first(record, revision=revision)
    if record.revision == 0 and record.previous is None and not (record.amends or last.by_default):
        raise FeedbackConflictError(CONFLICT)
    if record.values is None or record.arm == last.arm:
        return (replace(record, arm=last.arm, revision=revision, previous=last.values),)
    retraction = replace(record, arm=last.arm, revision=revision, values=None, previous=last.values, outcomes={})
    return (retraction, replace(record, revision=revision + 1, previous=None))


def _follows(record: FeedbackRecord, last: StoredRevision) -> bool:
    if record.revision != last.revision + 1 or record.previous != last.values:
        return False
    return record.values is not None if last.values is None else record.arm == last.arm


def _first(record: FeedbackRecord, *, revision: int) -> Sequence[FeedbackRecord]:
    if record.values is None and not record.outcomes:
        return ()
    if (record.revision, record.previous) == (revision, None):
        return (record,)
    return (replace(record, revision=revision, previous=None),)


def merge_arm(stored: ArmRecord | None, record: ArmRecord) -> ArmRecord:
    """The record that stands from now on: the new one, but what is retired stays so."""
    if stored is None or stored.status != "retired":
        return record
    return replace(record, status="retired", successor=stored.successor or record.successor)
